import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type ActiveTask, newActiveTask } from '../../../src/engine/activeTask.ts';
import { createPoller, type Polled } from '../../../src/engine/stages/poller.ts';
import { newTrackedJob } from '../../../src/engine/tracking/trackedJob.ts';
import { createAccountState } from '../../../src/limits/account.ts';
import { localAccount } from '../../../src/limits/local.ts';
import type { AccountLimits } from '../../../src/providers/account.ts';
import { type Answer, type Handle, SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { later, momentAt, msBetween } from '../../../src/time/clock.ts';
import { required } from '../../providers/contract/fixture.ts';
import { aTask, START_OF_TIME } from '../../support/builders.ts';
import { anAccount, fixedInterval, SETTINGS } from '../../support/engineParts.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { createRecordingProvider } from '../../support/recordingProvider.ts';
import { createRecordingUpstream } from '../../support/servers/recordingUpstream.ts';

const WORKING: Answer = { state: 'in_progress', progress: 40 };
const QUEUED: Answer = { state: 'queued' };

/** A request to the upstream, which the test answers. */
interface Call {
  readonly ids: readonly string[];
  readonly signal: AbortSignal;
  answer(answer?: Answer, ...ids: string[]): Promise<void>;
  fail(error: unknown): Promise<void>;
}

/** The poller over a provider whose calls the test answers. */
function polling({
  batches = false,
  limits = {},
}: {
  batches?: boolean;
  limits?: Partial<AccountLimits>;
} = {}) {
  const timers = createManualTimers();
  const stopping = new AbortController();
  const logged: Record<string, unknown>[] = [];
  const calls: Call[] = [];
  const activeTasks = new Set<ActiveTask>();
  let wanted = () => 0;

  function call<T>(handles: readonly Handle[], signal: AbortSignal, as: (answers: Map<string, Answer>) => T) {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const ids = handles.map(({ upstreamId }) => upstreamId);
    calls.push({
      ids,
      signal,
      answer(answer = WORKING, ...about) {
        resolve(as(new Map((about.length > 0 ? about : ids).map((id) => [id, answer]))));
        return turn();
      },
      fail(error) {
        reject(error);
        return turn();
      },
    });
    return promise;
  }

  const { pollMany: _, ...recording } = createRecordingProvider({ upstream: createRecordingUpstream({}) });
  const account = anAccount(
    {
      ...recording,
      poll: (handle, signal) => call([handle], signal, (answers) => answers.get(handle.upstreamId) ?? QUEUED),
      ...(batches ? { pollMany: (handles, signal) => call(handles, signal, (answers) => answers) } : {}),
    },
    { limits },
  );
  const state = createAccountState({
    account,
    limits: {
      open(opened) {
        const local = localAccount(opened, {
          store: { commit: async () => false },
          clock: timers,
          timers,
          report: () => undefined,
        });
        return {
          ...local,
          openPermits(kind, rate, demand) {
            if (kind === 'poll') wanted = demand;
            return local.openPermits(kind, rate, demand);
          },
        };
      },
    },
    demand: () => [],
    clock: timers,
  });
  const poller = createPoller({
    accountStates: new Map([['one', state]]),
    activeTasks,
    tracker: fixedInterval(1000),
    timers,
    settings: SETTINGS,
    stopping: stopping.signal,
    log: pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) }),
  });

  function running(
    upstreamId: string | undefined,
    { dueInMs, accountId = 'one' }: { dueInMs?: number; accountId?: string } = {},
  ): ActiveTask {
    const attempt: Task['attempt'] = {
      number: 1,
      accountId,
      idempotencyKey: 'f'.repeat(32),
      upstreamModel: 'm',
      intendedAt: START_OF_TIME,
      ...(upstreamId === undefined ? {} : { upstreamId }),
    };
    const active = newActiveTask(aTask({ phase: 'running', attempt }), later(timers.monotonic(), 3_600_000));
    if (dueInMs !== undefined) active.dueAt = later(timers.monotonic(), dueInMs);
    activeTasks.add(active);
    return active;
  }
  /** Waits for a poll, and shows what came of it. */
  function wait(active: ActiveTask): { polled: Polled | undefined | 'nothing yet' } {
    const waiting: { polled: Polled | undefined | 'nothing yet' } = { polled: 'nothing yet' };
    void poller.next(active).then((polled) => {
      waiting.polled = polled;
    });
    return waiting;
  }
  const advance = (ms: number) => {
    timers.moveTo(timers.trueTime() + ms);
    return turn();
  };
  const dueIn = ({ dueAt }: ActiveTask) => dueAt && msBetween(timers.monotonic(), dueAt);
  const polls = () => [...poller.polls()];
  return {
    timers,
    stopping,
    logged,
    calls,
    poller,
    running,
    activeTasks,
    wait,
    advance,
    dueIn,
    polls,
    wanted: () => wanted(),
  };
}

describe('a job', () => {
  it('is polled when that is due, and its task gets the answer', async () => {
    const { running, wait, advance, calls, dueIn } = polling();
    const active = running('one-1', { dueInMs: 1000 });
    const waiting = wait(active);
    await advance(999);
    expect(calls).toEqual([]);
    await advance(1);
    expect(calls).toMatchObject([{ ids: ['one-1'] }]);
    expect(dueIn(active)).toBeUndefined();
    await calls[0]?.answer(WORKING);
    expect(waiting.polled).toEqual(WORKING);
    expect(active.wake).toBeUndefined();
  });

  it.each([
    ['is not known', undefined],
    ['is now', 0],
    ['has passed', -5000],
  ])('is polled at once if the time %s', (_when, dueInMs) => {
    const { running, wait, calls } = polling();
    wait(running('one-1', dueInMs === undefined ? {} : { dueInMs }));
    expect(calls).toHaveLength(1);
  });

  it('is not polled for a task that was woken before it was due', async () => {
    const { running, wait, advance, calls, timers } = polling();
    const active = running('one-1', { dueInMs: 1000 });
    const waiting = wait(active);
    active.wake?.();
    await turn();
    expect([waiting.polled, active.wake, timers.nextAt()]).toEqual([undefined, undefined, undefined]);
    await advance(5000);
    expect(calls).toEqual([]);
  });

  it('is not polled for a task that was woken while it waited for the rate limit', async () => {
    const { running, wait, advance, calls } = polling({ limits: { pollsPerSecond: 1 } });
    wait(running('one-1'));
    const second = running('one-2');
    const waiting = wait(second);
    second.wake?.();
    await advance(10_000);
    expect(waiting.polled).toBeUndefined();
    expect(calls).toHaveLength(1);
  });

  it('without an id is unanswered, and not asked for', async () => {
    const { running, wait, calls } = polling();
    const waiting = wait(running(undefined));
    await turn();
    expect([waiting.polled, calls]).toEqual(['unanswered', []]);
  });

  it('of an account that is not configured cannot be waited for', () => {
    const { running, poller } = polling();
    const active = running('other-1', { accountId: 'other' });
    expect(() => poller.next(active)).toThrow(`account other of task ${active.task.id} is not configured`);
  });
});

describe('a task that is woken during its poll', () => {
  async function wokenDuring() {
    const world = polling();
    const active = world.running('one-1');
    const first = world.wait(active);
    active.wake?.();
    await turn();
    expect(first.polled).toBeUndefined();
    return { ...world, active, call: world.calls[0] };
  }

  it('gets the answer in its next wait, without another poll', async () => {
    const { wait, active, call, calls, timers } = await wokenDuring();
    active.dueAt = later(timers.monotonic(), 60_000);
    const second = wait(active);
    await call?.answer(WORKING);
    expect(second.polled).toEqual(WORKING);
    expect(calls).toHaveLength(1);
    // The timer of the wait is gone, too.
    expect(timers.nextAt()).toBeUndefined();
  });

  it('is polled again as soon as it waits, if the answer came while it did not', async () => {
    const { wait, active, call, calls, dueIn } = await wokenDuring();
    await call?.answer(WORKING);
    expect(dueIn(active)).toBe(0);
    wait(active);
    expect(calls).toHaveLength(2);
  });

  it('keeps the time of its next poll, if that was decided before the answer came', async () => {
    const { active, call, timers, dueIn } = await wokenDuring();
    active.dueAt = later(timers.monotonic(), 60_000);
    await call?.answer(WORKING);
    expect(dueIn(active)).toBe(60_000);
  });
});

describe('a hint', () => {
  it('makes a poll due at once', async () => {
    const { running, wait, poller, calls } = polling();
    const active = running('one-1', { dueInMs: 60_000 });
    const waiting = wait(active);
    poller.pollSoon(active);
    await calls[0]?.answer(WORKING);
    expect(waiting.polled).toEqual(WORKING);
    expect(calls).toHaveLength(1);
  });

  it('about a task that does not wait for a poll makes its next one due at once', () => {
    const { running, wait, poller, calls, dueIn } = polling();
    const active = running('one-1', { dueInMs: 60_000 });
    poller.pollSoon(active);
    expect([dueIn(active), calls]).toEqual([0, []]);
    wait(active);
    expect(calls).toHaveLength(1);
  });

  it('during a poll leads to another: the first may have been answered before the change', async () => {
    const { running, wait, poller, calls } = polling();
    const active = running('one-1');
    const first = wait(active);
    poller.pollSoon(active);
    expect(calls).toHaveLength(2);
    await calls[0]?.answer(QUEUED);
    expect(first.polled).toEqual(QUEUED);
    const second = wait(Object.assign(active, { dueAt: later(active.deadline, 0) }));
    await calls[1]?.answer(WORKING);
    expect(second.polled).toEqual(WORKING);
  });

  it('during a poll is not forgotten, although the other poll has to wait for the rate limit', async () => {
    const { running, wait, poller, calls, advance, dueIn } = polling({ limits: { pollsPerSecond: 1 } });
    const active = running('one-1');
    const first = wait(active);
    poller.pollSoon(active);
    expect(calls).toHaveLength(1);
    await calls[0]?.answer(QUEUED);
    expect([first.polled, dueIn(active)]).toEqual([QUEUED, 0]);
    wait(active);
    await advance(1000);
    expect(calls).toHaveLength(2);
  });

  it('is no second poll for a task that is due already', async () => {
    const { running, wait, poller, calls, advance } = polling({ limits: { pollsPerSecond: 1 } });
    wait(running('one-1'));
    const active = running('one-2');
    wait(active);
    poller.pollSoon(active);
    await advance(1000);
    expect(calls.map(({ ids }) => ids)).toEqual([['one-1'], ['one-2']]);
  });
});

describe('planning the polls of an account again', () => {
  it('wakes the tasks that wait for a later poll, and no others', async () => {
    const { running, wait, poller } = polling();
    const far = running('one-1', { dueInMs: 60_000 });
    const soon = running('one-2', { dueInMs: 500 });
    const failing = Object.assign(running('one-3', { dueInMs: 60_000 }), { pollFailures: 1 });
    const waits = [far, soon, failing].map(wait);
    poller.planAgain('another');
    await turn();
    expect(waits.map(({ polled }) => polled)).toEqual(['nothing yet', 'nothing yet', 'nothing yet']);
    poller.planAgain('one');
    await turn();
    expect(waits.map(({ polled }) => polled)).toEqual([undefined, 'nothing yet', 'nothing yet']);
    expect(far.dueAt).toBeUndefined();
  });

  it('takes several turns for many, and comes to each once', async () => {
    const { running, poller, advance } = polling();
    const woken = Array.from({ length: 1200 }, () => 0);
    const waitAgain = async (index: number, active: ActiveTask): Promise<void> => {
      if ((await poller.next(active)) !== undefined) return;
      woken[index] = (woken[index] ?? 0) + 1;
      active.dueAt = later(active.deadline, 0);
      await waitAgain(index, active);
    };
    for (const index of woken.keys()) void waitAgain(index, running(`one-${index}`, { dueInMs: 60_000 }));
    poller.planAgain('one');
    await turn();
    expect(woken.filter((times) => times > 0)).toHaveLength(500);
    for (let step = 0; step < 20; step++) await advance(50);
    expect(new Set(woken)).toEqual(new Set([1]));
  });
});

describe('the polls of an account', () => {
  it('go in batches if the upstream can answer about several jobs', async () => {
    const { running, wait, advance, calls } = polling({
      batches: true,
      limits: { pollBatch: 2, pollsPerSecond: 1 },
    });
    const waits = ['one-0', 'one-1', 'one-2', 'one-3'].map((id) => wait(running(id)));
    await advance(1000);
    await advance(1000);
    expect(calls.map(({ ids }) => ids)).toEqual([['one-0'], ['one-1', 'one-2'], ['one-3']]);
    for (const call of calls) await call.answer(WORKING);
    expect(waits.map(({ polled }) => polled)).toEqual([WORKING, WORKING, WORKING, WORKING]);
  });

  /** Two tasks in one batch, after a first poll has used the rate up. */
  async function twoInABatch() {
    const world = polling({ batches: true, limits: { pollBatch: 3, pollsPerSecond: 1 } });
    void world.wait(world.running('one-0'));
    const tasks = [world.running('one-1'), world.running('one-2')] as const;
    const waits = tasks.map(world.wait);
    await world.advance(1000);
    expect(world.calls[1]?.ids).toEqual(['one-1', 'one-2']);
    const batch = required(world.calls[1], 'second call');
    return { ...world, tasks, batch, polled: () => waits.map(({ polled }) => polled) };
  }

  it('poll a job that a batch leaves out at once, within the rate', async () => {
    const { batch, calls, advance, polled } = await twoInABatch();
    await batch.answer(WORKING, 'one-1');
    expect(polled()).toEqual([WORKING, 'nothing yet']);
    expect(calls).toHaveLength(2);
    await advance(1000);
    expect(calls[2]?.ids).toEqual(['one-2']);
    await calls[2]?.answer(QUEUED);
    expect(polled()).toEqual([WORKING, QUEUED]);
  });

  it('poll jobs alone that three batches have left out', async () => {
    const { batch, calls, advance } = await twoInABatch();
    await batch.answer(WORKING, 'none of them');
    for (const number of [2, 3]) {
      await advance(1000);
      expect(calls[number]?.ids).toEqual(['one-1', 'one-2']);
      await calls[number]?.answer(WORKING, 'none of them');
    }
    await advance(1000);
    await advance(1000);
    expect(calls.slice(4).map(({ ids }) => ids)).toEqual([['one-1'], ['one-2']]);
  });

  it.each<[string, Answer, Partial<Task>, number | undefined]>([
    ['the progress', { state: 'in_progress', progress: 39 }, {}, 40],
    ['the state', QUEUED, { startedAt: START_OF_TIME }, undefined],
  ])('do not take over %s of a list that lags behind', async (_what, stale, known, progress) => {
    const { tasks, batch, calls, advance, polled } = await twoInABatch();
    tasks[1].task = { ...tasks[1].task, ...known };
    tasks[1].tracked = { ...newTrackedJob(momentAt(0), undefined, momentAt(0)), progress };
    await batch.answer(stale);
    expect(polled()).toEqual([stale, 'nothing yet']);
    await advance(1000);
    expect(calls[2]?.ids).toEqual(['one-2']);
    await calls[2]?.answer(stale);
    expect(polled()).toEqual([stale, stale]);
  });

  it('give answers about jobs whose poll is not due yet to their tasks', async () => {
    const { batch, running, wait, calls, advance } = await twoInABatch();
    const early = running('one-3', { dueInMs: 30_000 });
    const waiting = wait(early);
    await batch.answer(WORKING, 'one-1', 'one-2', 'one-3', 'of somebody else');
    expect(waiting.polled).toEqual(WORKING);
    expect(early.dueAt).toBeUndefined();
    await advance(30_000);
    expect(calls).toHaveLength(2);
  });

  it('give a task whose poll is in flight the answer to that', async () => {
    const { batch, running, wait, calls, advance } = await twoInABatch();
    const waiting = wait(running('one-3'));
    await advance(1000);
    expect(calls[2]?.ids).toEqual(['one-3']);
    await batch.answer(QUEUED, 'one-1', 'one-2', 'one-3');
    expect(waiting.polled).toBe('nothing yet');
    await calls[2]?.answer(WORKING);
    expect(waiting.polled).toEqual(WORKING);
  });

  it('ask for one job alone, even if the upstream takes batches', () => {
    const { running, wait, calls } = polling({ batches: true, limits: { pollBatch: 3 } });
    wait(running('one-1'));
    expect(calls).toMatchObject([{ ids: ['one-1'] }]);
  });

  it('are sixteen at a time', async () => {
    const { running, wait, calls } = polling();
    for (let job = 0; job < 20; job++) wait(running(`one-${job}`));
    expect(calls).toHaveLength(16);
    await calls[3]?.answer();
    expect(calls).toHaveLength(17);
    await calls[16]?.answer();
    expect(calls.at(-1)?.ids).toEqual(['one-17']);
  });

  it('stay within its rate', async () => {
    const { running, wait, calls, advance } = polling({ limits: { pollsPerSecond: 2 } });
    for (let job = 0; job < 5; job++) wait(running(`one-${job}`));
    expect(calls).toHaveLength(2);
    await advance(499);
    expect(calls).toHaveLength(2);
    await advance(1);
    expect(calls).toHaveLength(3);
  });

  it('that fail tell each task why', async () => {
    const { running, wait, advance, calls, logged } = polling({
      batches: true,
      limits: { pollBatch: 3, pollsPerSecond: 1 },
    });
    wait(running('one-0'));
    const waits = [wait(running('one-1')), wait(running('one-2'))];
    await advance(1000);
    const failure = new UpstreamError('upstream_unavailable', { detail: 'maintenance' });
    await calls[1]?.fail(failure);
    expect(waits.map(({ polled }) => polled)).toEqual([failure, failure]);
    expect(logged).toMatchObject([
      {
        event: 'upstream.poll_failed',
        account: 'one',
        tasks: 2,
        reason: 'upstream_unavailable',
        detail: 'maintenance',
      },
    ]);
  });

  it('that fail for a reason of their own are upstream errors, too', async () => {
    const { running, wait, calls } = polling();
    const waiting = wait(running('one-1'));
    await calls[0]?.fail(new TypeError('a bug'));
    expect(waiting.polled).toBeInstanceOf(UpstreamError);
    expect(waiting.polled).toMatchObject({ reason: 'upstream_unavailable', detail: 'a bug' });
  });

  it.each([
    ['as long as it says', 7000, 7000],
    ['for a second if it does not say for how long', undefined, 1000],
  ])('pause after the upstream refused one, %s', async (_how, retryAfterMs, ms) => {
    const { running, wait, calls, advance } = polling();
    wait(running('one-1'));
    await calls[0]?.fail(
      new UpstreamError('rate_limited', retryAfterMs === undefined ? {} : { retryAfterMs }),
    );
    wait(running('one-2'));
    await advance(ms - 1);
    expect(calls).toHaveLength(1);
    await advance(1);
    expect(calls).toHaveLength(2);
  });

  it('want permits only while they could use them', async () => {
    const { running, wait, wanted, calls, advance } = polling();
    for (let n = 0; n < 20; n++) wait(running(`one-${n}`));
    expect([calls.length, wanted()]).toEqual([16, 0]);
    await calls[0]?.fail(new UpstreamError('rate_limited', { retryAfterMs: 5000 }));
    expect([calls.length, wanted()]).toEqual([16, 0]);
    await advance(4999);
    expect(wanted()).toBe(0);
    await advance(1);
    expect([calls.length, wanted()]).toEqual([17, 0]);
    for (const call of calls.slice(1)) await call.answer();
    expect([calls.length, wanted()]).toEqual([20, 0]);
  });

  it('do not pause after another failure', async () => {
    const { running, wait, calls } = polling();
    wait(running('one-1'));
    await calls[0]?.fail(new UpstreamError('upstream_unavailable', { retryAfterMs: 60_000 }));
    wait(running('one-2'));
    expect(calls).toHaveLength(2);
  });

  it('end when the node stops: those in flight are aborted and tell nobody, others do not begin', async () => {
    const { running, wait, calls, stopping, advance, logged } = polling();
    const waiting = wait(running('one-1'));
    const later = wait(running('one-2', { dueInMs: 1000 }));
    stopping.abort();
    expect(calls[0]?.signal.aborted).toBe(true);
    await calls[0]?.fail(new UpstreamError('upstream_timeout'));
    await advance(1000);
    expect([waiting.polled, later.polled]).toEqual(['nothing yet', 'nothing yet']);
    expect([calls.length, logged]).toEqual([1, []]);
  });
});

describe('the state of the polls', () => {
  it('tells since when a poll is overdue, in flight, and settled', async () => {
    const { running, wait, polls, calls, timers, activeTasks, advance } = polling({
      limits: { pollsPerSecond: 1 },
    });
    expect(polls()).toEqual([]);
    const start = timers.monotonic();
    wait(running('one-1'));
    wait(running('one-2'));
    expect(polls()).toMatchObject([{ account: 'one', dueSince: undefined, inFlightSince: start }]);
    await advance(500);
    // The longest overdue one counts. Tasks that have no attempt yet are not polled.
    running('one-5', { dueInMs: -50 });
    const overdue = running('one-3', { dueInMs: -100 });
    running('one-6', { dueInMs: -50 });
    const accepted = running(undefined, { dueInMs: -200 });
    const { attempt: _, ...waiting } = accepted.task;
    accepted.task = { ...waiting, phase: 'accepted' };
    expect(polls()).toMatchObject([{ dueSince: overdue.dueAt }]);
    // Only running tasks are polled, and only those of accounts that are.
    for (const active of activeTasks) active.task = { ...active.task, phase: 'storing' };
    running('other-1', { dueInMs: -200, accountId: 'other' });
    running('one-4', { dueInMs: 1 });
    running('one-7', { dueInMs: 0 });
    expect(polls()).toMatchObject([{ dueSince: undefined }]);
    const answeredAt = timers.monotonic();
    await calls[0]?.answer();
    expect(polls()).toMatchObject([{ returnedAt: answeredAt, inFlightSince: undefined }]);
  });

  it('tells since when polls do not reach the upstream because of this node, until one does', async () => {
    const { running, wait, polls, calls, timers, advance } = polling();
    wait(running('one-1'));
    const first = timers.monotonic();
    await calls[0]?.fail(new SendRefused());
    await advance(1000);
    wait(running('one-2'));
    await calls[1]?.fail(new SendRefused());
    expect(polls()).toMatchObject([{ dueSince: first, returnedAt: expect.any(Number) }]);
    wait(running('one-3'));
    await calls[2]?.fail(new UpstreamError('upstream_unavailable'));
    expect(polls()).toMatchObject([{ dueSince: undefined, returnedAt: timers.monotonic() }]);
  });
});
