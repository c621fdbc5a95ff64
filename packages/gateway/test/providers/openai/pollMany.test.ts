import { setImmediate as turn } from 'node:timers/promises';
import type { Simulators } from '@onetake/simulators';
import { describe, expect, it } from 'vitest';
import { type ActiveTask, newActiveTask } from '../../../src/engine/activeTask.ts';
import { createPoller, type Polled } from '../../../src/engine/stages/poller.ts';
import { createAccountState } from '../../../src/limits/account.ts';
import { localAccount } from '../../../src/limits/local.ts';
import { createLog } from '../../../src/observability/log.ts';
import { type Handle, type Provider, UpstreamError } from '../../../src/providers/provider.ts';
import { later, systemClock } from '../../../src/time/clock.ts';
import { aTask } from '../../support/builders.ts';
import { anAccount, fixedInterval, SETTINGS } from '../../support/engineParts.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { openHttpWhile } from '../../support/openHttp.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, BY_LIST, handleOf, openAccount, openUpstream, signal } from './world.ts';

const PAGE = 100;

/** Jobs that run until the test ends them, oldest first. */
async function submitted(provider: Provider, jobs: number): Promise<Handle[]> {
  const handles: Handle[] = [];
  for (let number = 0; number < jobs; number++) {
    const job = aJob({ prompt: `boat ${number} [hold]` });
    handles.push(handleOf(job, (await provider.submit(job, sending(signal()))).upstreamId));
  }
  return handles;
}

const pollMany = (provider: Provider, handles: readonly Handle[]) => {
  if (!provider.pollMany) throw new Error('the adapter polls one by one');
  return provider.pollMany(handles, signal());
};

/** How many requests of each kind have asked for states. */
const requestsOf = ({ ledger }: Simulators) => ({
  lists: ledger.count({ operation: 'list' }),
  retrievals: ledger.count({ operation: 'poll' }),
});

/**
 * A server with 150 `young` jobs and 60 `old` ones, and all their `ids`, newest first. Without `moves` it always shows the first page. It
 * refuses to go on behind jobs that were `deleted` since they were shown.
 */
async function listOf210({ moves, deleted = [] }: { moves: boolean; deleted?: readonly number[] }) {
  const handles = Array.from({ length: 210 }, (_, index) => handleOf(aJob(), `video_${index}`));
  const ids = handles.map(({ upstreamId }) => upstreamId);
  const cursors: (string | null)[] = [];
  const server = await serve((request, response) => {
    const url = new URL(request.url ?? '', 'http://host');
    response.setHeader('content-type', 'application/json');
    if (url.pathname !== '/videos') {
      response.end(JSON.stringify({ id: url.pathname.split('/').at(-1), status: 'queued' }));
      return;
    }
    const after = url.searchParams.get('after');
    cursors.push(after);
    if (deleted.some((index) => ids[index] === after)) response.statusCode = 404;
    const start = moves && after !== null ? ids.indexOf(after) + 1 : 0;
    const page = ids.slice(start, start + Number(url.searchParams.get('limit')));
    const data = page.map((id) => ({ id, status: 'in_progress' }));
    response.end(JSON.stringify({ data, has_more: start + page.length < ids.length }));
  });
  const lines: string[] = [];
  const log = createLog('warn', { write: (line) => void lines.push(line) });
  const account = { base_url: server.origin, flavour: 'openai' } as const;
  const provider = await openAccount(account, systemClock, openHttpWhile(), log);
  const events = () => lines.map((line) => JSON.parse(line).event);
  return { provider, young: handles.slice(0, 150), old: handles.slice(150), ids, cursors, events };
}

describe('polls of many jobs', () => {
  it('take one request for all jobs of the newest page', async () => {
    const { provider, simulators } = await openUpstream();
    const handles = await submitted(provider, PAGE);
    const answers = await pollMany(provider, handles);
    expect(handles.every(({ upstreamId }) => answers.has(upstreamId))).toBe(true);
    expect(requestsOf(simulators)).toEqual({ lists: 1, retrievals: 0 });
  });

  it('go on behind a page that does not have them, and know later where they are', async () => {
    const { provider, old, ids, cursors } = await listOf210({ moves: true });
    for (let time = 0; time < 3; time++) await pollMany(provider, old);
    expect(cursors).toEqual([null, ids[99], ids[149]]);
    expect((await pollMany(provider, old.slice(0, 40))).size).toBe(60);
  });

  it('read the page that has most of the jobs', async () => {
    const { provider, old, young, cursors } = await listOf210({ moves: true });
    for (let time = 0; time < 2; time++) await pollMany(provider, old);
    await pollMany(provider, [...old.slice(0, 30), ...young.slice(0, 31)]);
    expect(cursors.at(-1)).toBeNull();
  });

  it('go on behind the job before it if the one behind which they began is deleted', async () => {
    const { provider, old, ids, cursors } = await listOf210({ moves: true, deleted: [99] });
    for (let time = 0; time < 3; time++) await pollMany(provider, old);
    expect(cursors).toEqual([null, ids[99], ids[98]]);
  });

  it('of one job are one retrieval', async () => {
    const { provider, simulators } = await openUpstream();
    const handles = await submitted(provider, 1);
    const answers = await pollMany(provider, handles);
    expect(answers.size).toBe(1);
    expect(requestsOf(simulators)).toEqual({ lists: 0, retrievals: 1 });
  });

  it('pass on when the upstream wants to be polled again', async () => {
    const page = {
      data: [
        { id: 'a', status: 'queued' },
        { id: 'b', status: 'completed' },
      ],
    };
    const server = await serve((_request, response) => {
      response.setHeader('openai-poll-after-ms', '2500').setHeader('content-type', 'application/json');
      response.end(JSON.stringify(page));
    });
    const provider = await openAccount({ base_url: server.origin, flavour: 'openai' });
    const answers = await pollMany(provider, [handleOf(aJob(), 'a'), handleOf(aJob(), 'b')]);
    expect([...answers.values()]).toEqual([
      { state: 'queued', pollAfterMs: 2500 },
      { state: 'succeeded', result: { ref: 'content' } },
    ]);
  });

  it.each(['azure', 'vllm-omni'] as const)(
    'are made at %s only if the operator asks for it',
    async (service) => {
      const { provider, open } = await openUpstream(service);
      expect(provider.pollMany).toBeUndefined();
      expect((await open({ limits: BY_LIST })).pollMany).toBeDefined();
    },
  );
});

describe('a list that is of no use', () => {
  /** Polls a batch so often; returns the requests of each time. */
  async function rounds(list: string, times: number) {
    const { simulators, open } = await openUpstream();
    const lines: string[] = [];
    const provider = await open({}, createLog('warn', { write: (line) => void lines.push(line) }));
    const old = await submitted(provider, 5);
    await submitted(provider, 2 * PAGE);
    simulators.upstream('openai').configure({ list });
    const requests: string[] = [];
    for (let time = 0; time < times; time++) {
      const before = requestsOf(simulators);
      await pollMany(provider, old);
      const { lists, retrievals } = requestsOf(simulators);
      requests.push(lists > before.lists ? 'list' : 'retrieval');
      expect(lists + retrievals - before.lists - before.retrievals).toBe(1);
    }
    return { requests, events: lines.map((line) => JSON.parse(line).event) };
  }

  it('because there is none is asked for once', async () => {
    const { requests, events } = await rounds('absent', 5);
    expect(requests).toEqual(['list', 'retrieval', 'retrieval', 'retrieval', 'retrieval']);
    expect(events).toEqual(['upstream.list_refused']);
  });

  it('because its pages do not move is given up', async () => {
    const { provider, old, ids, cursors, events } = await listOf210({ moves: false });
    for (let time = 0; time < 8; time++) await pollMany(provider, old);
    expect(cursors).toEqual([null, ids[99], ids[99], ids[99], ids[99], ids[99]]);
    expect(events()).toEqual(['upstream.list_refused']);
  });

  it('is tried again much later, and reported once', async () => {
    const { requests, events } = await rounds('absent', 1010);
    expect(requests.flatMap((kind, index) => (kind === 'list' ? [index] : []))).toEqual([0, 1001]);
    expect(events).toEqual(['upstream.list_refused']);
  });

  it.each([
    [404, 1],
    [405, 1],
    [501, 1],
    [403, 1],
    [503, 5],
  ])('because it is answered with %i is not asked for again after %i times', async (status, times) => {
    const server = await serve((request, response) => {
      const isList = request.url?.startsWith('/videos?') ?? false;
      response.writeHead(isList ? status : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isList ? { error: { message: 'no' } } : { id: 'a', status: 'queued' }));
    });
    const provider = await openAccount({ base_url: server.origin, flavour: 'openai' });
    const handles = [handleOf(aJob(), 'a'), handleOf(aJob(), 'b')];
    for (let time = 0; time < 7; time++) await pollMany(provider, handles).catch(() => undefined);
    const lists = server.requests.filter(({ url }) => url?.startsWith('/videos?'));
    expect(lists).toHaveLength(times);
    expect(server.requests).toHaveLength(7);
    expect(await pollMany(provider, handles)).toEqual(new Map([['a', { state: 'queued' }]]));
  });

  it('during an outage is tried again soon after', async () => {
    let isOut = true;
    const server = await serve((request, response) => {
      response.writeHead(isOut ? 503 : 200, { 'content-type': 'application/json' });
      const job = { id: 'a', status: 'queued' };
      response.end(
        JSON.stringify(request.url?.startsWith('/videos?') ? { data: [job, { ...job, id: 'b' }] } : job),
      );
    });
    const provider = await openAccount({ base_url: server.origin, flavour: 'openai' });
    const handles = [handleOf(aJob(), 'a'), handleOf(aJob(), 'b')];
    for (let time = 0; time < 5; time++) await pollMany(provider, handles).catch(() => undefined);
    isOut = false;
    const sizes = [];
    for (let time = 0; time < 17; time++) sizes.push((await pollMany(provider, handles)).size);
    expect(sizes).toEqual([...Array(16).fill(1), 2]);
  });

  it('because the account is limited says so, and is not given up', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' });
      response.end(JSON.stringify({ error: { code: 'rate_limit_exceeded' } }));
    });
    const provider = await openAccount({ base_url: server.origin, flavour: 'openai' });
    const handles = [handleOf(aJob(), 'a'), handleOf(aJob(), 'b')];
    for (let time = 0; time < 5; time++) {
      const error = await pollMany(provider, handles).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(UpstreamError);
      expect(error).toMatchObject({ reason: 'rate_limited', retryAfterMs: 7000 });
    }
    expect(server.requests.every(({ url }) => url?.startsWith('/videos?'))).toBe(true);
  });
});

const JOBS = 300;
/** More than a page, where each takes a request. */
const FEW_JOBS = 200;
const PER_SECOND = 10;

/** The engine's poller over the adapter and the simulator: `round` polls every job once. */
async function polling(count: number, list = 'paged') {
  const { provider, simulators } = await openUpstream();
  const timers = createManualTimers();
  let inFlight = 0;
  const counted = async <T>(call: Promise<T>): Promise<T> => {
    inFlight += 1;
    return call.finally(() => {
      inFlight -= 1;
    });
  };
  const account = anAccount(
    {
      ...provider,
      poll: (handle, aborted) => counted(provider.poll(handle, aborted)),
      pollMany: (handles) => counted(pollMany(provider, handles)),
    },
    { limits: { pollBatch: PAGE, pollsPerSecond: PER_SECOND } },
  );
  const state = createAccountState({
    account,
    limits: {
      open: (opened) =>
        localAccount(opened, {
          store: { commit: async () => false },
          clock: timers,
          timers,
          report: () => undefined,
        }),
    },
    demand: () => [],
    clock: timers,
  });
  const poller = createPoller({
    accountStates: new Map([['one', state]]),
    activeTasks: [],
    tracker: fixedInterval(1000),
    timers,
    settings: SETTINGS,
    stopping: signal(),
    log: createLog('silent'),
  });
  const jobs = await submitted(provider, count);
  simulators.upstream('openai').configure({ list });
  const tasks = jobs.map(({ upstreamId, upstreamModel, idempotencyKey, intendedAt }) => {
    const attempt = { number: 1, accountId: 'one', upstreamId, upstreamModel, idempotencyKey, intendedAt };
    return newActiveTask(aTask({ phase: 'running', attempt }), later(timers.monotonic(), 3_600_000));
  });

  /** Polls the tasks in this order. Returns the requests it took, and how long. */
  async function round(order: readonly ActiveTask[]) {
    const earlier = requestsOf(simulators);
    const start = timers.trueTime();
    const polled: (Polled | undefined)[] = [];
    for (const active of order) void poller.next(active).then((answer) => polled.push(answer));
    while (polled.length < order.length) {
      while (inFlight > 0) await turn();
      // The answers of a large list are handed out over several turns, in which no time passes.
      let before: number;
      do {
        before = polled.length;
        await turn();
      } while (polled.length > before);
      if (polled.length < order.length) timers.moveTo(timers.trueTime() + 1000 / PER_SECOND);
    }
    expect(
      polled.every((answer) => typeof answer === 'object' && 'state' in answer && answer.state !== 'missing'),
    ).toBe(true);
    const { lists, retrievals } = requestsOf(simulators);
    const requests = { lists: lists - earlier.lists, retrievals: retrievals - earlier.retrievals };
    const seconds = (timers.trueTime() - start) / 1000;
    // Every request has a permit; the saved ones of a second may come on top.
    expect(requests.lists + requests.retrievals).toBeLessThanOrEqual((seconds + 1) * PER_SECOND + 1);
    return requests;
  }
  return { tasks, round };
}

/** The same order each time, and nothing to do with the list's. */
const mixed = (tasks: readonly ActiveTask[]) =>
  tasks.map((_, index) => tasks[(index * 7) % tasks.length] as ActiveTask);

describe('300 jobs in flight', () => {
  it.each([
    ['in the order of the list', (tasks: readonly ActiveTask[]) => tasks],
    ['in any order', mixed],
  ])('take three requests once it is known which page has them, %s', async (_how, order) => {
    const { tasks, round } = await polling(JOBS);
    const { lists, retrievals } = await round(order(tasks));
    expect(lists + retrievals).toBeLessThan(JOBS / 3);
    for (let times = 0; times < 3; times++) {
      expect(await round(order(tasks))).toEqual({ lists: 3, retrievals: 0 });
    }
  });

  it('take three requests also where the list is in another order', async () => {
    const { tasks, round } = await polling(JOBS, 'unsorted');
    await round(mixed(tasks));
    expect(await round(mixed(tasks))).toEqual({ lists: 3, retrievals: 0 });
  });

  it.each(['absent', 'stuck'])('are polled one by one where the list is %s', async (list) => {
    const { tasks, round } = await polling(FEW_JOBS, list);
    const { lists } = await round(mixed(tasks));
    expect(lists).toBeLessThan(10);
    // The one page that a stuck list shows answers about the jobs on it.
    const again = await round(mixed(tasks));
    expect(again.lists).toBeLessThan(10);
    expect(again.retrievals).toBeGreaterThanOrEqual(FEW_JOBS - PAGE);
  });
});

describe('one job in flight', () => {
  it('is polled with one retrieval each time', async () => {
    const { tasks, round } = await polling(1);
    for (let times = 0; times < 3; times++) expect(await round(tasks)).toEqual({ lists: 0, retrievals: 1 });
  });
});
