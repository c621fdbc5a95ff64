import { describe, expect, it } from 'vitest';
import { type ActiveTask, leaveUpstream, newActiveTask } from '../../../src/engine/activeTask.ts';
import { urgencyOf } from '../../../src/engine/tracking/trackedJob.ts';
import { createTracker } from '../../../src/engine/tracking/tracker.ts';
import { createAccountState } from '../../../src/limits/account.ts';
import { localAccount } from '../../../src/limits/local.ts';
import type { Account, AccountLimits, Tracking } from '../../../src/providers/account.ts';
import type { Answer, Provider } from '../../../src/providers/provider.ts';
import { later } from '../../../src/time/clock.ts';
import { createEstimator } from '../../../src/tracking/estimator.ts';
import { aTask, START_OF_TIME } from '../../support/builders.ts';
import { anAccount } from '../../support/engineParts.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { createRecordingProvider } from '../../support/recordingProvider.ts';
import { createRecordingUpstream } from '../../support/servers/recordingUpstream.ts';

const SECOND = 1000;
const TYPICAL = { medianSeconds: 150, p90Seconds: 270 };
const WORKING: Answer = { state: 'in_progress' };
const DONE: Answer = { state: 'succeeded', result: { ref: 'video' } };
const FAILED: Answer = { state: 'failed', reason: 'upstream_failed', message: '' };

/** The tracker of one account, in time that the test moves. */
function tracking(
  options: { limits?: Partial<AccountLimits>; tracking?: Tracking; provider?: Partial<Provider> } = {},
) {
  const timers = createManualTimers();
  const { pollMany: _, ...recording } = createRecordingProvider({ upstream: createRecordingUpstream({}) });
  const account: Account = {
    ...anAccount(
      { ...recording, ...options.provider },
      { limits: { inFlight: 100_000, pollsPerSecond: 10, minPollIntervalMs: SECOND, ...options.limits } },
    ),
    tracking: options.tracking,
  };
  const parts = { store: { commit: async () => true }, clock: timers, timers, report: () => undefined };
  const state = createAccountState({
    account,
    limits: { open: (opened) => localAccount(opened, parts) },
    demand: () => [],
    clock: timers,
  });
  let learnt = 0;
  let plannedAgain = 0;
  const tracker = createTracker({
    estimator: createEstimator(),
    timers,
    clock: timers,
    typicalTime: () => TYPICAL,
    used: () => undefined,
    learnt: () => void learnt++,
    planAgain: () => void plannedAgain++,
  });
  let made = 0;
  return {
    tracker,
    timers,
    state,
    counts: () => ({ learnt, plannedAgain }),
    /** A task that was submitted now. */
    submitted(): ActiveTask {
      made += 1;
      const task = aTask({ id: `task ${made}`, phase: 'running', createdAt: timers.now() });
      const attempt = {
        number: 1,
        accountId: account.id,
        idempotencyKey: `${made}`.padStart(32, '0'),
        upstreamModel: 'upstream-model',
        intendedAt: timers.now(),
        submittedAt: timers.now(),
        upstreamId: `job ${made}`,
      };
      return newActiveTask({ ...task, attempt }, later(timers.monotonic(), 86_400_000));
    },
    plan: (active: ActiveTask) => tracker.plan(active, state),
    answer: (
      active: ActiveTask,
      answer: Answer,
      ages: { startedAgeMs?: number; endedAgeMs?: number } = {},
    ) => {
      const at = (age?: number) => (active.task.attempt?.submittedAt ?? 0) + (age ?? 0);
      const { startedAgeMs, endedAgeMs } = ages;
      const times = {
        ...(startedAgeMs === undefined ? {} : { startedAt: at(startedAgeMs) }),
        ...(endedAgeMs === undefined ? {} : { endedAt: at(endedAgeMs) }),
      };
      if (answer.state !== 'missing') tracker.answered(active, state, answer, times);
    },
    pass: (ms: number) => timers.moveTo(timers.trueTime() + ms),
  };
}

/** Polls a job from its submit until it ends, as planned. Returns the ages of the polls in seconds. */
function follow(
  world: ReturnType<typeof tracking>,
  endsAfterMs: number,
  answer: (ageMs: number) => Answer = () => WORKING,
) {
  const active = world.submitted();
  const submittedAt = world.timers.trueTime();
  const polls: number[] = [];
  for (;;) {
    world.pass(world.plan(active).pollInMs);
    const age = world.timers.trueTime() - submittedAt;
    polls.push(age / SECOND);
    const over = age >= endsAfterMs;
    world.answer(active, over ? DONE : answer(age));
    if (over) break;
  }
  leaveUpstream(active);
  return { polls, delayMs: (polls.at(-1) ?? 0) * SECOND - endsAfterMs };
}

const between = (list: readonly number[], from: number, to: number) =>
  list.filter((at) => at >= from && at < to).length;

describe('of a hundred jobs that were submitted together', () => {
  it('the first to end do not say that all end so soon', () => {
    const world = tracking();
    const jobs = Array.from({ length: 100 }, () => world.submitted());
    for (const job of jobs) world.plan(job);
    const remaining = () => world.plan(jobs.at(-1) as ActiveTask).remainingMs;
    const before = remaining();
    for (let ended = 0; ended < 5; ended++) {
      world.pass(5 * SECOND);
      world.answer(jobs[ended] as ActiveTask, DONE);
      for (const job of jobs.slice(ended + 1)) world.answer(job, WORKING);
    }
    expect(remaining()).toBeGreaterThan(0.7 * before);
  });
});

describe('the polls of a job alone on its account', () => {
  it('begin soon, in case that it fails at once, and are about a second apart when it may end', () => {
    const { polls } = follow(tracking(), 200 * SECOND);
    expect(polls[0]).toBeLessThan(4);
    expect(between(polls, 130, 170)).toBeGreaterThan(25);
  });

  it('are never closer than the account permits', () => {
    const { polls } = follow(tracking({ limits: { minPollIntervalMs: 3 * SECOND } }), 200 * SECOND);
    const gaps = polls.slice(1).map((at, index) => at - (polls[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(2.999);
  });

  it('wait for as long as the upstream asks', () => {
    const { polls } = follow(tracking(), 200 * SECOND, () => ({ ...WORKING, pollAfterMs: 20 * SECOND }));
    const gaps = polls.slice(1).map((at, index) => at - (polls[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(19.999);
  });

  it('become dense when the upstream says that it is nearly done, however early', () => {
    // Over as much time as is between two polls of jobs that tell no percentage: their delay is by chance otherwise.
    const ends = Array.from({ length: 20 }, (_, n) => (36 + 1.5 * n) * SECOND);
    /** The delay of jobs that end within half of the typical time. */
    const delay = (answer?: (endMs: number) => (ageMs: number) => Answer) =>
      ends.reduce(
        (sum, end) => sum + follow(tracking({ tracking: 'frugal' }), end, answer?.(end)).delayMs,
        0,
      );
    const known = delay((end) => (age) => ({ ...WORKING, progress: Math.min(99, (100 * age) / end) }));
    expect(known).toBeLessThan(0.7 * delay());
  });

  it('go on from what is stored after a restart', () => {
    const world = tracking();
    const active = world.submitted();
    world.pass(140 * SECOND);
    // Nobody has asked since the submit.
    expect(world.plan(active).pollInMs).toBe(0);
    world.answer(active, WORKING);
    expect(world.plan(active).pollInMs).toBeLessThan(1500);
  });
});

describe('what a client is told', () => {
  it('is half the time of such jobs, and to look again when some may have ended, never before the next poll', () => {
    const world = tracking();
    const active = world.submitted();
    const first = world.plan(active);
    expect(first.remainingMs).toBeGreaterThan(120 * SECOND);
    expect(first.remainingMs).toBeLessThan(180 * SECOND);
    expect(first.queryAgainInMs).toBe(15 * SECOND);
    world.pass(150 * SECOND);
    world.answer(active, { ...WORKING, pollAfterMs: 60 * SECOND });
    const late = world.plan(active);
    expect(late.pollInMs).toBe(60 * SECOND);
    expect(late.queryAgainInMs).toBeGreaterThan(60 * SECOND);
  });

  it('is learnt from the jobs that have ended: the catalogue said two and a half times as long', () => {
    const world = tracking();
    for (let n = 0; n < 50; n++) follow(world, (50 + (n % 20)) * SECOND);
    expect(world.counts().learnt).toBe(50);
    const { remainingMs } = world.plan(world.submitted());
    expect(remainingMs).toBeGreaterThan(50 * SECOND);
    expect(remainingMs).toBeLessThan(75 * SECOND);
  });

  it('is learnt from the times of the upstream where it tells, however late the poll was', () => {
    const world = tracking();
    for (let n = 0; n < 50; n++) {
      const active = world.submitted();
      world.plan(active);
      world.pass(600 * SECOND);
      world.answer(active, DONE, { startedAgeMs: 20 * SECOND, endedAgeMs: 60 * SECOND });
    }
    const active = world.submitted();
    expect(world.plan(active).remainingMs).toBeLessThan(70 * SECOND);
    world.pass(300 * SECOND);
    // It has waited for long, but the rest is as short as ever.
    world.answer(active, WORKING, { startedAgeMs: 295 * SECOND });
    expect(world.plan(active).remainingMs).toBeLessThan(45 * SECOND);
  });

  it('is not changed by jobs that were cancelled', () => {
    const world = tracking();
    const active = world.submitted();
    world.plan(active);
    world.answer(active, { ...FAILED, reason: 'cancelled' });
    expect(world.counts().learnt).toBe(0);
    world.answer(world.submitted(), FAILED);
    expect(world.counts().learnt).toBe(1);
  });
});

describe('many jobs on one account', () => {
  /** Polls a second that the plans of jobs ask for, all at their typical time. */
  function wantedBy(world: ReturnType<typeof tracking>, jobs: readonly ActiveTask[]): number {
    world.pass(2 * SECOND);
    for (const active of jobs) world.answer(active, WORKING);
    // The price follows the demand of the plans before.
    for (const active of jobs) world.plan(active);
    world.pass(2 * SECOND);
    for (const active of jobs) world.answer(active, WORKING);
    return jobs.reduce((sum, active) => sum + SECOND / Math.max(1, world.plan(active).pollInMs), 0);
  }

  it.each([
    ['latency', 9],
    ['balanced', 5],
    ['frugal', 5],
  ] as const)('ask for no more than the part of its polls that `%s` may use', (mode, most) => {
    const world = tracking({ tracking: mode });
    const jobs = Array.from({ length: 300 }, () => world.submitted());
    world.pass(140 * SECOND);
    const wanted = wantedBy(world, jobs);
    expect(wanted).toBeGreaterThan(0.7 * most);
    expect(wanted).toBeLessThan(1.4 * most);
    expect(world.tracker.rate(world.state).perSecond).toBeCloseTo(most);
  });

  it('ask for more where one request answers many', () => {
    const pollMany = async () => new Map<string, Answer>();
    const world = tracking({ limits: { pollBatch: 20 }, provider: { pollMany } });
    const jobs = Array.from({ length: 300 }, () => world.submitted());
    world.pass(140 * SECOND);
    expect(wantedBy(world, jobs)).toBeGreaterThan(80);
  });

  it('ask for as much as single polls can answer where batches leave most jobs out', () => {
    const pollMany = async () => new Map<string, Answer>();
    const world = tracking({ limits: { pollBatch: 20 }, provider: { pollMany } });
    for (let batch = 0; batch < 60; batch++) world.tracker.batched(world.state, 1, 19);
    const jobs = Array.from({ length: 300 }, () => world.submitted());
    world.pass(140 * SECOND);
    expect(wantedBy(world, jobs)).toBeLessThan(8);
  });

  it('ask for as much as a page really answers, where one request cannot be about any jobs', () => {
    const provider = { pollMany: async () => new Map<string, Answer>(), chooseJobs: () => [] };
    const world = tracking({ limits: { pollBatch: 100 }, provider });
    for (let page = 0; page < 200; page++) world.tracker.batched(world.state, 10, 0);
    const jobs = Array.from({ length: 300 }, () => world.submitted());
    world.pass(140 * SECOND);
    const wanted = wantedBy(world, jobs);
    expect(wanted).toBeGreaterThan(35);
    expect(wanted).toBeLessThan(70);
  });

  it('ask for less after polls were refused, and for as much as before after minutes without a refusal', () => {
    /** The demand of 300 jobs, `minutes` after polls of the account were refused together. */
    function after(refusals: number, minutes: number): number {
      const world = tracking();
      for (let times = 0; times < refusals; times++) world.tracker.limited(world.state);
      const one = world.submitted();
      for (let minute = 0; minute < minutes; minute++) {
        world.pass(60 * SECOND);
        world.answer(one, WORKING);
        world.plan(one);
      }
      leaveUpstream(one);
      const jobs = Array.from({ length: 300 }, () => world.submitted());
      world.pass(140 * SECOND);
      return wantedBy(world, jobs);
    }
    const refused = after(10, 0) / after(0, 0);
    expect(refused).toBeGreaterThan(0.4);
    expect(refused).toBeLessThan(0.7);
    const regained = after(10, 12) / after(0, 12);
    expect(regained).toBeGreaterThan(0.85);
    expect(regained).toBeLessThan(1.15);
  });

  it('are planned again when the others have left, also if no poll is due', () => {
    const world = tracking();
    const jobs = Array.from({ length: 300 }, () => world.submitted());
    world.pass(140 * SECOND);
    wantedBy(world, jobs);
    const [one, ...others] = jobs;
    for (const active of others) leaveUpstream(active);
    expect(world.counts().plannedAgain).toBe(0);
    for (let times = 0; times < 5; times++) world.pass(SECOND);
    expect(world.counts().plannedAgain).toBeGreaterThan(0);
    if (one) expect(world.plan(one).pollInMs).toBeLessThan(1500);
    // And nothing runs any more.
    for (let times = 0; times < 5; times++) world.pass(SECOND);
    expect(world.timers.nextAt()).toBeUndefined();
  });
});

describe('`frugal`', () => {
  it('knows of the end within a tenth of the typical time, with a fraction of the polls', () => {
    const frugal = follow(tracking({ tracking: 'frugal' }), 150 * SECOND);
    expect(frugal.delayMs).toBeLessThan(16 * SECOND);
    expect(frugal.polls.length).toBeLessThan(follow(tracking(), 150 * SECOND).polls.length / 5);
  });
});

describe('callbacks', () => {
  const withCallbacks = () => tracking({ provider: { verifyCallback: async () => [] } });

  /** A job whose end a callback tells, if it comes; a poll follows at once. */
  function end(
    world: ReturnType<typeof tracking>,
    told: 'in time' | 'late' | 'never',
    afterMs = 150 * SECOND,
  ) {
    const active = world.submitted();
    const { upstreamId = '' } = active.task.attempt ?? {};
    world.plan(active);
    world.pass(afterMs);
    if (told === 'in time') world.tracker.told('one', upstreamId, active);
    world.answer(active, DONE);
    leaveUpstream(active);
    world.pass(2 * SECOND);
    if (told === 'late') world.tracker.told('one', upstreamId, undefined);
    world.pass(20 * SECOND);
  }

  it('make polls rare as far as they have come, and polls come back when they go missing', () => {
    const world = withCallbacks();
    // What is learnt of the times is the same.
    const without = tracking();
    for (let n = 0; n < 100; n++) {
      const afterMs = (100 + n) * SECOND;
      end(without, 'never', afterMs);
      end(world, n % 2 === 0 ? 'in time' : 'late', afterMs);
    }
    const alone = follow(without, 150 * SECOND).polls.length;
    expect(follow(world, 150 * SECOND).polls.length).toBeLessThan(0.4 * alone);
    const { reliability, price } = world.tracker.account(world.state);
    const floor = without.tracker.account(without.state).price();
    expect(reliability.current()).toBeGreaterThan(0.9);
    expect(price()).toBeGreaterThan(40 * floor);
    for (let n = 0; n < 5; n++) end(world, 'never');
    expect(reliability.current()).toBeLessThan(0.05);
    expect(price()).toBeLessThan(4 * floor);
    expect(follow(world, 150 * SECOND).polls.length).toBeGreaterThan(0.8 * alone);
  });

  it('of something else than the end do not count', () => {
    const world = withCallbacks();
    const before = follow(world, 150 * SECOND).polls.length;
    for (let n = 0; n < 50; n++) {
      const active = world.submitted();
      world.plan(active);
      world.tracker.told('one', active.task.attempt?.upstreamId ?? '', active);
      world.answer(active, WORKING);
      world.pass(150 * SECOND);
      world.answer(active, DONE);
      leaveUpstream(active);
      world.pass(20 * SECOND);
    }
    expect(follow(world, 150 * SECOND).polls.length).toBeGreaterThan(before * 0.7);
  });

  it('of unknown jobs and accounts are ignored', () => {
    const world = withCallbacks();
    world.tracker.told('one', 'another job', undefined);
    world.tracker.told('another account', 'job', undefined);
    expect(world.timers.now()).toBe(START_OF_TIME);
  });
});

describe('a job whose poll is due while the account has none left', () => {
  it('becomes as urgent as the delay that has built up, though hardly any ended at its first gap', () => {
    const world = tracking();
    const { tracker, timers, state } = world;
    for (let n = 0; n < 60; n++) follow(world, (90 + 2 * n) * SECOND);
    const active = world.submitted();
    const { pollInMs } = world.plan(active);
    const delay = () => urgencyOf(active.tracked, timers.monotonic()) ** 2;
    world.pass(1.4 * pollInMs);
    expect(tracker.weighAgain(active, state)).toBe(false);
    world.pass(300 * SECOND - 1.4 * pollInMs);
    expect(delay()).toBeLessThan(15 * SECOND);
    expect(tracker.weighAgain(active, state)).toBe(true);
    // Such jobs ended 150 s ago on average.
    expect(delay()).toBeGreaterThan(130 * SECOND);
    expect(delay()).toBeLessThan(170 * SECOND);
    expect(tracker.weighAgain(active, state)).toBe(false);
  });
});
