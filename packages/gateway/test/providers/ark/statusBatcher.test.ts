import { beforeEach, describe, expect, it } from 'vitest';
import { createStatusBatcher, type StatusBatcher } from '../../../src/providers/ark/statusBatcher.ts';
import type { ArkTask, TaskOrMissing } from '../../../src/providers/ark/wire.ts';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { localPermits } from '../../../src/providers/rates/permits.ts';
import { createManualTimers, type ManualTimers } from '../../support/manualTimers.ts';
import { sending } from '../../support/sending.ts';
import { aPrompt, arkWorld, handle, signal } from './world.ts';

const BATCH = 180;

let timers: ManualTimers;
let closing: AbortController;
let gets: { id: string; at: number }[];
let lists: { ids: readonly string[]; at: number }[];
/** What the list leaves out. */
let unlisted: Set<string>;
let listFails: UpstreamError | undefined;
let warnings: string[];
let batcher: StatusBatcher;

beforeEach(() => {
  timers = createManualTimers();
  closing = new AbortController();
  gets = [];
  lists = [];
  unlisted = new Set();
  listFails = undefined;
  warnings = [];
  batcher = createBatcher();
});

function createBatcher({ queriesPerSecond = 20 } = {}): StatusBatcher {
  return createStatusBatcher({
    async get(id) {
      gets.push({ id, at: timers.now() });
      return task(id);
    },
    async list(ids) {
      lists.push({ ids, at: timers.now() });
      if (listFails) throw listFails;
      return ids.filter((id) => !unlisted.has(id)).map(task);
    },
    batch: BATCH,
    closing: closing.signal,
    queriesPerSecond,
    log: { warn: ({ event }) => void warnings.push(event) },
    permits: localPermits(timers),
    wait: (ms, given) =>
      new Promise((resolve, reject) => {
        timers.after(ms, resolve);
        given.addEventListener('abort', () => reject(given.reason));
      }),
  });
}

const task = (id: string): ArkTask => ({ id, status: 'running' });
const ids = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `cgt-${from + index}`);

/** Runs everything that does not wait for a timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function move(ms: number): Promise<void> {
  const end = timers.now() + ms;
  for (let next = timers.nextAt(); next !== undefined && next <= end; next = timers.nextAt()) {
    timers.moveTo(next);
    await settle();
  }
  timers.moveTo(end);
  await settle();
}

describe('a few polls', () => {
  it('are sent one by one, at once', async () => {
    expect(await batcher.one('cgt-1', signal())).toEqual(task('cgt-1'));
    expect((await batcher.many(ids(3), signal())).size).toBe(3);
    expect(gets).toHaveLength(4);
    expect(lists).toHaveLength(0);
  });
});

describe('a share of the queries', () => {
  it('are answered with the next list but one, if they are as many as the account allows', async () => {
    const waits: number[] = [];
    const every = 1000 / 20;
    for (let poll = 0; poll < 20 * 60; poll++) {
      const at = timers.now();
      void batcher
        .many(ids(batcher.jobsPerPoll, 1000 * poll), signal())
        .then(() => waits.push(timers.now() - at));
      await move(every);
    }
    expect(batcher.jobsPerPoll).toBe(8);
    expect(waits.length).toBeGreaterThan(20 * 57);
    expect(Math.max(...waits)).toBeLessThan(2300);
    // One query is not so many jobs, where an operator says so.
    expect(createBatcher({ queriesPerSecond: 1000 }).jobsPerPoll).toBe(1);
  });

  it('is not exceeded', async () => {
    batcher = createBatcher({ queriesPerSecond: 4 });
    await batcher.many(ids(20), signal());
    const asked = ids(8).map((id) => batcher.one(id, signal()));
    await settle();
    expect(gets).toHaveLength(2);
    await move(2000);
    await Promise.all(asked);
    expect(gets).toHaveLength(2);
    expect(lists).toHaveLength(2);
  });
});

describe('many polls', () => {
  it('are one list if its turn is now', async () => {
    const told = await batcher.many(ids(BATCH), signal());
    expect(told.size).toBe(BATCH);
    expect(lists).toHaveLength(1);
    expect(gets).toHaveLength(0);
  });

  it('share the next list, whoever sent them, if the queries are used up', async () => {
    for (const id of ids(10)) await batcher.one(id, signal());
    // Takes the list's turn.
    await batcher.many(ids(20), signal());
    const asked = [
      ...ids(30, 100).map((id) => batcher.one(id, signal())),
      batcher.many(ids(40, 200), signal()),
    ];
    await settle();
    expect(lists).toHaveLength(1);
    await move(1100);
    expect(await Promise.all(asked)).toHaveLength(31);
    expect(lists.map((list) => list.ids.length)).toEqual([20, 70]);
    expect(gets).toHaveLength(10);
  });

  it('are all answered within seconds and both limits, however many they are', async () => {
    const start = timers.now();
    const waits: number[] = [];
    const asked: Promise<unknown>[] = [];
    // A hundred a second, as several hundred tasks in flight cause.
    for (let n = 0; n < 2000; n++) {
      const at = timers.now();
      asked.push(batcher.one(`cgt-${n}`, signal()).then(() => waits.push(timers.now() - at)));
      await move(10);
    }
    await move(3000);
    await Promise.all(asked);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1200);
    for (let second = 0; second < 23; second++) {
      const within = ({ at }: { at: number }) =>
        at >= start + second * 1000 && at < start + (second + 1) * 1000;
      expect(gets.filter(within).length).toBeLessThanOrEqual(20);
      expect(lists.filter(within).length).toBeLessThanOrEqual(1);
    }
  });

  it('beyond one list wait for the next', async () => {
    await batcher.many(ids(BATCH), signal());
    const asked = batcher.many(ids(BATCH + 20, 1000), signal());
    await move(1100);
    expect(lists.map((list) => list.ids.length)).toEqual([BATCH, BATCH]);
    await move(1100);
    expect((await asked).size).toBe(BATCH + 20);
    expect(lists.map((list) => list.ids.length)).toEqual([BATCH, BATCH, 20]);
  });

  it('that the list leaves out are queried one by one as far as the limit allows, and the others stay unanswered', async () => {
    unlisted = new Set(ids(15));
    const told = await batcher.many(ids(20), signal());
    expect(gets).toHaveLength(10);
    expect([...told.keys()].sort()).toEqual([...ids(10), ...ids(5, 15)].sort());
  });

  it('are queried one by one as far as the limit allows, if the key may not list', async () => {
    listFails = new UpstreamError('auth_failed');
    expect((await batcher.many(ids(8), signal())).size).toBe(8);
    expect(gets).toHaveLength(8);
    expect(warnings).toEqual(['upstream.list_refused']);
  });

  it('fail together if the list fails', async () => {
    listFails = new UpstreamError('rate_limited');
    await expect(batcher.many(ids(20), signal())).rejects.toBe(listFails);
    const asked = [batcher.many(ids(20, 30), signal()), batcher.many(ids(20, 60), signal())];
    const outcomes = Promise.allSettled(asked);
    await settle();
    await move(1100);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: listFails });
  });
});

describe('a success without its link in the list', () => {
  it('is queried by itself before it is believed', async () => {
    const done = (id: string, url?: string): ArkTask => ({
      id,
      status: 'succeeded',
      ...(url ? { content: { video_url: url } } : {}),
    });
    batcher = createStatusBatcher({
      get: async (id): Promise<TaskOrMissing> => done(id, 'https://example.com/a.mp4'),
      list: async (asked) => asked.map((id) => done(id)),
      batch: BATCH,
      closing: closing.signal,
      queriesPerSecond: 20,
      log: { warn: () => undefined },
      permits: localPermits(timers),
    });
    const told = await batcher.many(ids(5), signal());
    expect([...told.values()]).toEqual(ids(5).map((id) => done(id, 'https://example.com/a.mp4')));
  });
});

describe('a poll that waits', () => {
  it('ends when its caller aborts', async () => {
    await batcher.many(ids(20), signal());
    for (const id of ids(10)) await batcher.one(id, signal());
    const caller = new AbortController();
    const asked = batcher.one('cgt-77', caller.signal);
    caller.abort();
    await expect(asked).rejects.toMatchObject({ reason: 'upstream_timeout' });
  });

  it('ends when the provider is closed', async () => {
    await batcher.many(ids(20), signal());
    for (const id of ids(10)) await batcher.one(id, signal());
    const asked = batcher.one('cgt-77', signal());
    await settle();
    closing.abort();
    await expect(asked).rejects.toBeInstanceOf(UpstreamError);
  });
});

describe('the adapter at a service with limits', () => {
  it('polls a hundred tasks in one request and is not refused', async () => {
    const { simulators, provider } = await arkWorld({ limits: true });
    simulators.upstream('ark').configure({ requestsPerMinute: 1000 });
    const handles = [];
    for (let n = 0; n < 100; n++) {
      const { upstreamId } = await provider.submit(aPrompt('a boat [hold]'), sending(signal()));
      handles.push(handle(upstreamId));
    }
    const told = await provider.pollMany?.(handles, signal());
    expect(told?.size).toBe(100);
    expect(simulators.ledger.count({ operation: 'list' })).toBe(1);
    // Needs no list: each of these has one of the twenty queries.
    await Promise.all(handles.slice(0, 10).map((one) => provider.poll(one, signal())));
    expect(simulators.ledger.requests().every(({ status }) => status === 200)).toBe(true);
  });
});
