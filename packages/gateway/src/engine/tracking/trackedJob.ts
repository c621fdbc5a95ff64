import type { Answer } from '../../providers/provider.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import type { Job } from '../../tracking/remainingTime.ts';

/** What a node knows of a job from its polls. Kept in memory only: ages are milliseconds since the submit. */
export interface TrackedJob {
  readonly submittedAt: Moment;
  state: Job['state'];
  lastPollAgeMs: number;
  startedAgeMs: number | undefined;
  /** Up to this age the estimator knows that it lasted. Of a job that this node took over, another one has told of the time before. */
  countedAgeMs: number;
  /** The last percentage, and the age at which it was first seen. */
  progress: number | undefined;
  progressAgeMs: number;
  /** The last place in the upstream's queue, and the age at which it was first seen. */
  queuePosition: number | undefined;
  positionAgeMs: number;
  /** Percentages and places with their ages, one after the other, to learn from once the job has ended. */
  seen: number[] | undefined;
  seenPlaces: number[] | undefined;
  /** The upstream asks not to be polled earlier. */
  notBeforeAgeMs: number;
  /** A callback has told that the job may have changed. */
  calledBack: boolean;
  /** What the job adds to the demand for polls of its account; undefined before the first plan. */
  weight: number | undefined;
  /** What the job weighs against others that are due: its weight, or more or less if it waits for long. */
  dueWeight: number;
  /** That is right for about so long after the last poll. Milliseconds. */
  weighedGapMs: number;
  /** Removes the job's demand. */
  leave: (() => void) | undefined;
}

export const newTrackedJob = (
  submittedAt: Moment,
  startedAgeMs: number | undefined,
  now: Moment,
): TrackedJob => ({
  submittedAt,
  // Until an answer says that it waits: most upstreams start a job at once, and many do not tell.
  state: 'running',
  lastPollAgeMs: 0,
  countedAgeMs: Math.max(0, msBetween(submittedAt, now)),
  startedAgeMs,
  progress: undefined,
  progressAgeMs: 0,
  queuePosition: undefined,
  positionAgeMs: 0,
  seen: undefined,
  seenPlaces: undefined,
  notBeforeAgeMs: 0,
  calledBack: false,
  weight: undefined,
  dueWeight: 0,
  weighedGapMs: 0,
  leave: undefined,
});

/** How many percentages and places of a job are remembered. The estimator judges percentages in ten bands. */
const MOST_SEEN = 10;

/** Takes over what an answer says about a job that has not ended. `startedAgeMs`: when it started, if the upstream tells. */
export function followAnswer(
  job: TrackedJob,
  answer: Extract<Answer, { state: 'queued' | 'in_progress' }>,
  now: Moment,
  startedAgeMs: number | undefined,
): void {
  const age = msBetween(job.submittedAt, now);
  // Seen to wait, and now to have started: it did so in between.
  const seenStart =
    job.state === 'queued' && answer.state === 'in_progress' ? (job.lastPollAgeMs + age) / 2 : undefined;
  job.lastPollAgeMs = age;
  // The callback told of something else than the end.
  job.calledBack = false;
  job.notBeforeAgeMs = age + (answer.pollAfterMs ?? 0);
  job.state = answer.state === 'queued' ? 'queued' : 'running';
  job.startedAgeMs = startedAgeMs ?? job.startedAgeMs ?? seenStart;
  const { progress, queuePosition } = answer;
  if (progress !== undefined && progress !== job.progress) {
    job.progress = progress;
    job.progressAgeMs = age;
    job.seen = remembered(job.seen, progress, age, 100 / MOST_SEEN);
  }
  if (queuePosition !== undefined && queuePosition !== job.queuePosition) {
    job.queuePosition = queuePosition;
    job.positionAgeMs = age;
    job.seenPlaces = remembered(job.seenPlaces, queuePosition, age, 1);
  }
}

/** With a value and its age, if the value differs enough from the last one that is remembered. */
function remembered(seen: number[] | undefined, value: number, age: number, step: number): number[] {
  if (!seen) return [value, age];
  const last = seen.at(-2) ?? 0;
  if (seen.length < 2 * MOST_SEEN && Math.abs(value - last) >= step) seen.push(value, age);
  return seen;
}

/** The job as the estimator wants it. */
export const jobAt = (job: TrackedJob, now: Moment): Job => ({
  ageMs: msBetween(job.submittedAt, now),
  lastPollAgeMs: job.lastPollAgeMs,
  state: job.state,
  startedAgeMs: job.startedAgeMs,
  progress: job.progress,
  progressAgeMs: job.progressAgeMs,
  queuePosition: job.queuePosition,
  positionAgeMs: job.positionAgeMs,
});

/** After so many times the gap for which it was weighed, a job is weighed anew. */
const OUTDATED = 1.5;

/**
 * Whether a job has waited so long for its poll that its weight says too little: at its first poll, before anything is likely to end, it
 * is small, and while others are polled instead, the delay builds up ever faster.
 */
export function isWeightOutdated(job: TrackedJob | undefined, now: Moment): boolean {
  if (job?.weight === undefined || job.calledBack) return false;
  return msBetween(job.submittedAt, now) - job.lastPollAgeMs > OUTDATED * job.weighedGapMs;
}

/**
 * How urgent the next poll is: the root of the delay that has built up in expectation since the last one. Without a limit for a job that
 * was never planned, which a hint or an operator has asked for.
 */
export const urgencyOf = (job: TrackedJob | undefined, now: Moment): number =>
  job?.weight === undefined || job.calledBack
    ? Number.POSITIVE_INFINITY
    : job.dueWeight * (msBetween(job.submittedAt, now) - job.lastPollAgeMs);
