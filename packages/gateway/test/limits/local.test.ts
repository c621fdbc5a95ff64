import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLocalLimits } from '../../src/limits/local.ts';
import { createSharedLimits } from '../../src/limits/shared.ts';
import type { Account } from '../../src/providers/account.ts';
import type {
  AccountTrouble,
  LingeringPlace,
  SharedLimitStore,
  StoredTrouble,
} from '../../src/store/store.ts';
import { newId } from '../../src/tasks/ids.ts';
import { type Event, LINGER_MS, type Move, move } from '../../src/tasks/lifecycle.ts';
import { taskError } from '../../src/tasks/reasons.ts';
import type { Task } from '../../src/tasks/task.ts';
import { aTask } from '../support/builders.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

const INTENT = {
  type: 'submit_intended',
  accountId: 'one',
  idempotencyKey: newId(),
  upstreamModel: 'm',
} as const;
const CONFIRMED = { type: 'submit_confirmed', upstreamId: 'job', working: true } as const;
const EXPIRED = { type: 'failed', error: taskError('expired', 'expired'), outcome: 'expired' } as const;
const never = () => Promise.reject(new Error('not of this account'));
const LATE = { type: 'finished_late', result: { ref: 'there' } } as const;

/** The limits of a node with an account of two places that only this node uses. The store answers what the test says. */
function aNode({ local, beside }: { local?: boolean; beside?: 'shared' } = {}) {
  const timers = createManualTimers();
  const stored: {
    commits: Move[];
    lingering: LingeringPlace[];
    troubles: StoredTrouble[];
    reports: AccountTrouble[];
  } = {
    commits: [],
    lingering: [],
    troubles: [],
    reports: [],
  };
  let answer: () => Promise<boolean> = async () => true;
  const parts = {
    store: {
      async commit(given: Move) {
        stored.commits.push(given);
        return answer();
      },
      lingeringPlaces: async (now: number) => stored.lingering.filter(({ until }) => until > now),
      troubles: async (accounts: readonly string[]) =>
        stored.troubles.filter(({ account }) => accounts.includes(account)),
      reportTrouble: async (_account: string, trouble: AccountTrouble) => void stored.reports.push(trouble),
    },
    clock: timers,
    timers,
    log: pino({ level: 'silent' }),
  };
  const shared = { onPlaces: () => () => {} } as unknown as SharedLimitStore;
  const limits = beside
    ? createSharedLimits({
        ...parts,
        store: { ...parts.store, intend: never },
        shared,
        cluster: createManualCluster(),
      })
    : createLocalLimits(parts);
  onTestFinished(() => limits.stop());
  const account: Account = {
    id: 'one',
    providerId: 'test',
    official: false,
    provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
    limits: { ...LIMITS, inFlight: 2 },
    ...(local ? { local } : {}),
  };
  const one = limits.open(account, () => []);
  let changes = 0;
  const heard: AccountTrouble[] = [];
  one.onChange(() => {
    changes += 1;
  });
  one.onTrouble((trouble) => void heard.push(trouble));
  const next = (task: Task, event: Event): Move => {
    const made = move(task, event, timers.now());
    if (!made) throw new Error(`${event.type} is not legal`);
    return made;
  };
  return {
    limits,
    one,
    timers,
    stored,
    heard,
    changes: () => changes,
    next,
    answer(how: () => Promise<boolean>) {
      answer = how;
    },
    /** A task with a place that was just taken. */
    async running(): Promise<Task> {
      const intent = next(aTask(), INTENT);
      expect(await one.intend(intent)).toBe('written');
      one.moved(intent);
      return moved(intent.task, CONFIRMED);
    },
    moved,
  };
  function moved(task: Task, event: Event): Task {
    const made = next(task, event);
    one.moved(made);
    return made.task;
  }
}

describe('the places of an account at a single node', () => {
  it('are taken by intents and freed by the end of the job, and nothing runs in between', async () => {
    const node = aNode();
    const first = await node.running();
    expect([node.one.placesUsed(), node.one.placeReadyIn()]).toEqual([1, 0]);
    await node.running();
    expect([node.one.placesUsed(), node.one.placeReadyIn(), node.changes()]).toEqual([2, undefined, 0]);
    expect(await node.one.intend(node.next(aTask(), INTENT))).toBe('no_place');
    expect(node.stored.commits).toHaveLength(2);
    expect(node.timers.nextAt()).toBeUndefined();
    node.moved(first, { type: 'upstream_succeeded', result: { ref: 'there' } });
    expect([node.one.placesUsed(), node.one.placeReadyIn(), node.changes()]).toEqual([1, 0, 1]);
  });

  it('are counted from the moment that a task begins', async () => {
    const node = aNode();
    const intent = node.next(aTask(), INTENT);
    node.one.beginIntent(intent.task.id);
    node.one.beginIntent('another');
    expect(node.one.placeReadyIn()).toBeUndefined();
    expect(await node.one.intend(intent)).toBe('written');
    expect(node.one.placesUsed()).toBe(2);
    node.one.release('another');
    expect([node.one.placesUsed(), node.changes()]).toEqual([1, 1]);
  });

  it('are freed if the intent was not written, and kept while that is not known', async () => {
    const node = aNode();
    node.answer(async () => false);
    const intent = node.next(aTask(), INTENT);
    expect(await node.one.intend(intent)).toBe('lost');
    expect([node.one.placesUsed(), node.changes()]).toEqual([0, 1]);
    node.answer(async () => {
      throw new Error('no answer');
    });
    await expect(node.one.intend(intent)).rejects.toThrow();
    expect(node.one.placesUsed()).toBe(1);
    // It was written although it seemed to fail.
    node.answer(async () => false);
    await node.one.intend(intent);
    node.one.moved(intent);
    expect(node.one.placesUsed()).toBe(1);
  });

  it('are taken by running tasks that a node finds, also beyond the limit', () => {
    const node = aNode();
    for (const id of ['a', 'b', 'c', 'a']) node.one.adopt(id);
    expect([node.one.placesUsed(), node.one.placeReadyIn()]).toEqual([3, undefined]);
    node.one.release('a');
    expect(node.one.placeReadyIn()).toBeUndefined();
    node.one.release('b');
    expect(node.one.placeReadyIn()).toBe(0);
  });
});

describe('a job whose end was not learnt', () => {
  it('keeps its place for a bounded time', async () => {
    const node = aNode();
    const task = await node.running();
    node.moved(task, EXPIRED);
    node.one.release(task.id);
    expect([node.one.placesUsed(), node.changes()]).toEqual([1, 0]);
    node.timers.moveTo(node.timers.now() + LINGER_MS - 1);
    expect(node.one.placesUsed()).toBe(1);
    node.timers.moveTo(node.timers.now() + 1);
    expect([node.one.placesUsed(), node.changes()]).toEqual([0, 1]);
  });

  it.each<[string, Event]>([
    ['finishes late', LATE],
    ['ends late', { type: 'ended_late' }],
  ])('frees its place when it %s', async (_how, event) => {
    const node = aNode();
    const expired = node.moved(await node.running(), EXPIRED);
    node.timers.moveTo(node.timers.now() + 60_000);
    node.moved(expired, event);
    expect([node.one.placesUsed(), node.changes(), node.timers.nextAt()]).toEqual([0, 1, undefined]);
  });

  it('keeps it across a restart, for the rest of the time', async () => {
    const node = aNode();
    const now = node.timers.now();
    node.stored.lingering.push(
      { account: 'one', taskId: 'a', until: now + 5000 },
      { account: 'one', taskId: 'b', until: now },
      { account: 'another', taskId: 'c', until: now + 9000 },
    );
    await node.limits.start();
    expect(node.one.placesUsed()).toBe(1);
    node.timers.moveTo(now + 5000);
    expect(node.one.placesUsed()).toBe(0);
  });

  it('keeps it across a restart not longer than any job, even if the clock was set back', async () => {
    const node = aNode();
    const now = node.timers.now();
    node.stored.lingering.push({ account: 'one', taskId: 'a', until: now + 365 * 86_400_000 });
    await node.limits.start();
    node.timers.moveTo(now + LINGER_MS);
    expect(node.one.placesUsed()).toBe(0);
  });
});

it.each([
  ['of a single node', {}],
  ['of this node alone, beside shared ones', { local: true, beside: 'shared' }],
] as const)('a stop cancels the timers of lingering places of an account %s', async (_which, options) => {
  const node = aNode(options);
  node.moved(await node.running(), EXPIRED);
  expect(node.timers.nextAt()).toBeDefined();
  await node.limits.stop();
  expect(node.timers.nextAt()).toBeUndefined();
});

describe('the trouble of an account at a single node', () => {
  it('is stored, and known again after a restart', async () => {
    const node = aNode();
    node.one.report({ failures: 2, waitMs: 4000, reason: 'rate_limited', error: 'slow down' });
    await node.limits.stop();
    expect(node.stored.reports).toEqual([
      { failures: 2, waitMs: 4000, reason: 'rate_limited', error: 'slow down' },
    ]);
    node.stored.troubles.push({
      account: 'one',
      failures: 2,
      waitMs: 3000,
      reason: 'rate_limited',
      revision: 1,
    });
    await node.limits.start();
    expect(node.heard).toMatchObject([{ failures: 2, waitMs: 3000 }]);
  });

  it('that a person may have fixed in the meantime does not delay the first task after a restart', async () => {
    const node = aNode();
    node.stored.troubles.push({
      account: 'one',
      failures: 2,
      waitMs: 3000,
      reason: 'auth_failed',
      revision: 1,
    });
    await node.limits.start();
    expect(node.heard).toMatchObject([{ failures: 2, waitMs: 0, reason: 'auth_failed' }]);
  });
});
