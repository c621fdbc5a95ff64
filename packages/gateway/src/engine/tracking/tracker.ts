import type { AccountState } from '../../limits/account.ts';
import type { Answer } from '../../providers/provider.ts';
import type { Rate } from '../../providers/rates/permits.ts';
import type { WorkTimes } from '../../tasks/lifecycle.ts';
import { jobStartedAt, type Task } from '../../tasks/task.ts';
import { type Clock, later, msBetween } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import type { Estimator } from '../../tracking/estimator.ts';
import type { Kind } from '../../tracking/kind.ts';
import type { Sample } from '../../tracking/learnt.ts';
import { nextPollMs } from '../../tracking/nextPoll.ts';
import type { Prior } from '../../tracking/prior.ts';
import { remainingMs } from '../../tracking/remainingTime.ts';
import type { ActiveTask } from '../activeTask.ts';
import { type AccountTracking, createAccountTracking } from './accountTracking.ts';
import { followAnswer, isWeightOutdated, jobAt, newTrackedJob, type TrackedJob } from './trackedJob.ts';

/** When a job is polled next, and when it is expected to succeed. Milliseconds from now. */
export interface Plan {
  readonly pollInMs: number;
  /** Half of such jobs have succeeded by then. */
  readonly remainingMs: number;
  /** When it is worth while for a client to look again: hardly any such job has ended before. Never before the poll. */
  readonly queryAgainInMs: number;
}

/** Decides when the jobs of running tasks are polled, and learns from how they end. */
export interface Tracker {
  /** Plans the next poll of a job. The account of the task must be `state`'s. */
  plan(active: ActiveTask, state: AccountState): Plan;
  /** Weighs a job anew that has waited for long for a poll that is due. Returns whether it was long enough. */
  weighAgain(active: ActiveTask, state: AccountState): boolean;
  /** An answer to a poll. `times`: when the upstream worked on the job, by this node's clock. */
  answered(
    active: ActiveTask,
    state: AccountState,
    answer: Exclude<Answer, { state: 'missing' }>,
    times: WorkTimes,
  ): void;
  /** A callback has told that a job may have changed. `active`: its task, if this node drives it. */
  told(accountId: string, upstreamId: string, active: ActiveTask | undefined): void;
  /** While further jobs were due, a request has answered about so many, and so many others have to be polled alone. */
  batched(state: AccountState, answered: number, alone: number): void;
  /** A poll was refused because there were too many. */
  limited(state: AccountState): void;
  /** How often jobs of the account are polled. */
  rate(state: AccountState): Rate;
  /** How far the callbacks of the account are relied upon, and what a poll of its jobs is worth. */
  account(state: AccountState): Pick<AccountTracking, 'reliability' | 'price'>;
}

interface TrackerParts {
  /** How long the task's model usually takes. */
  readonly typicalTime: (task: Task) => Prior;
  /** For what is stored and learnt from; durations are measured by `timers`. */
  readonly clock: Clock;
  readonly timers: Timers;
  readonly estimator: Estimator;
  /** Called when an estimate is used, and when the end of a job has taught something. */
  readonly used: () => void;
  readonly learnt: () => void;
  /** Plans the polls of an account's tasks again. */
  readonly planAgain: (accountId: string) => void;
}

/** The part of the jobs that have ended before a client is told to look again. */
const ENDED_BEFORE = 0.05;
/** A client looks again within this time, unless the next poll is later: callbacks and failures come unexpected. Milliseconds. */
const LOOK_MS = 15_000;
/** From the poll until its answer is there for clients. Milliseconds. */
const ANSWER_MS = 300;

export function createTracker(parts: TrackerParts): Tracker {
  const { estimator, timers, clock } = parts;
  const accounts = new Map<string, AccountTracking>();

  function accountOf(state: AccountState): AccountTracking {
    const known = accounts.get(state.account.id);
    if (known) return known;
    const made = createAccountTracking({ state, timers, planAgain: () => parts.planAgain(state.account.id) });
    accounts.set(state.account.id, made);
    return made;
  }

  /** The stored times are converted to the monotonic clock once. */
  function trackedOf(active: ActiveTask): TrackedJob {
    if (active.tracked) return active.tracked;
    const { task } = active;
    const submittedAt = later(timers.monotonic(), Math.min(0, submittedAtOf(task) - clock.now()));
    active.tracked = newTrackedJob(submittedAt, ageOf(task, jobStartedAt(task)), timers.monotonic());
    return active.tracked;
  }

  function sampleOf(task: Task, job: TrackedJob, outcome: Sample['outcome'], times: WorkTimes): Sample {
    const endedAgeMs = ageOf(task, times.endedAt);
    const startedAgeMs = ageOf(task, times.startedAt) ?? job.startedAgeMs;
    const age = msBetween(job.submittedAt, timers.monotonic());
    const total =
      endedAgeMs === undefined
        ? { fromMs: Math.min(job.lastPollAgeMs, age), toMs: age }
        : { fromMs: endedAgeMs, toMs: endedAgeMs };
    return {
      outcome,
      total,
      countedMs: job.countedAgeMs,
      ...(startedAgeMs === undefined
        ? {}
        : { queueMs: startedAgeMs, renderMs: Math.max(0, total.toMs - startedAgeMs) }),
      progress: pairs(job.seen).map(([percent, ageMs]) => ({ percent, ageMs })),
      queue: pairs(job.seenPlaces).map(([position, ageMs]) => ({ position, ageMs })),
    };
  }

  /** When the price makes a poll of the job worth while, and what the job weighs from then on. */
  function weigh(active: ActiveTask, state: AccountState) {
    const account = accountOf(state);
    const job = trackedOf(active);
    const estimate = estimator.estimate(kindOf(active.task), parts.typicalTime(active.task));
    const known = jobAt(job, timers.monotonic());
    account.tick();
    const { ms, weight } = nextPollMs({
      estimate,
      job: known,
      ...account.worth(estimate),
      minIntervalMs: state.account.limits.minPollIntervalMs,
      reliability: account.reliability.current(),
    });
    job.dueWeight = weight;
    job.weighedGapMs = known.ageMs + ms - known.lastPollAgeMs;
    return { job, estimate, known, ms, weight };
  }

  return {
    plan(active, state) {
      parts.used();
      const { job, estimate, known, ms, weight } = weigh(active, state);
      accountOf(state).weigh(job, weight);
      const pollInMs = Math.max(ms, job.notBeforeAgeMs - known.ageMs);
      const remaining = remainingMs(estimate, known);
      return {
        pollInMs,
        remainingMs: remaining.medianMs,
        queryAgainInMs: Math.max(pollInMs + ANSWER_MS, Math.min(LOOK_MS, remaining.quantile(ENDED_BEFORE))),
      };
    },
    weighAgain(active, state) {
      if (!isWeightOutdated(active.tracked, timers.monotonic())) return false;
      // Once it is polled, it wants as few polls as before: the price stays as it is.
      weigh(active, state);
      return true;
    },
    answered(active, state, answer, times) {
      const job = trackedOf(active);
      const account = accountOf(state);
      account.polled();
      if (answer.state === 'queued' || answer.state === 'in_progress') {
        followAnswer(job, answer, timers.monotonic(), ageOf(active.task, times.startedAt));
        const { countedAgeMs: fromMs, lastPollAgeMs: toMs, startedAgeMs: startedMs } = job;
        estimator.outlasted(kindOf(active.task), { fromMs, toMs, startedMs }, clock.now());
        job.countedAgeMs = toMs;
        return;
      }
      const { accountId, upstreamId } = active.task.attempt ?? {};
      if (accountId !== undefined && upstreamId !== undefined) account.ended(upstreamId, job.calledBack);
      if (answer.state === 'failed' && answer.reason === 'cancelled') return;
      estimator.learn(
        kindOf(active.task),
        parts.typicalTime(active.task),
        sampleOf(active.task, job, answer.state, times),
        clock.now(),
      );
      parts.learnt();
    },
    told(accountId, upstreamId, active) {
      if (active) trackedOf(active).calledBack = true;
      else accounts.get(accountId)?.toldAfterwards(upstreamId);
    },
    batched: (state, answered, alone) => accountOf(state).batched(answered, alone),
    limited: (state) => accountOf(state).limited(),
    rate: (state) => accountOf(state).rate,
    account: accountOf,
  };
}

/** Jobs of one kind take about as long as each other. */
function kindOf({ request, attempt }: Task): Kind {
  return {
    account: attempt?.accountId ?? '',
    model: attempt?.upstreamModel ?? request.model,
    resolution: request.resolution,
    durationSeconds: request.duration,
  };
}

const submittedAtOf = ({ attempt, createdAt }: Task): number => attempt?.submittedAt ?? createdAt;

/** Milliseconds from the submission to a time of the upstream. */
const ageOf = (task: Task, at: number | undefined): number | undefined =>
  at === undefined ? undefined : Math.max(0, at - submittedAtOf(task));

const pairs = (list: readonly number[] = []): [number, number][] =>
  list.flatMap((value, index) => (index % 2 === 0 ? [[value, list[index + 1] ?? 0]] : []));
