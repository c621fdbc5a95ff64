import { type Distribution, quantileAfter, reweighted } from './distribution.ts';
import type { Estimate, Place } from './estimate.ts';
import type { ScaledCosts } from './pollCosts.ts';

/** What is known of a job from its last poll. Ages are milliseconds since the submit. */
export interface Job {
  readonly ageMs: number;
  /** The age at which the upstream last said that the job has not ended; 0 before the first poll. */
  readonly lastPollAgeMs: number;
  /** `queued`: the upstream says that it has not started. `running`: that it has, or nothing of it. */
  readonly state: 'queued' | 'running';
  /** The age at which it started, if the upstream tells. */
  readonly startedAgeMs?: number | undefined;
  /** The last percentage that the upstream reported, 0 to 100. */
  readonly progress?: number | undefined;
  /** The age at which the job was first seen to have that percentage. */
  readonly progressAgeMs?: number | undefined;
  /** How many jobs the upstream starts before this one, and it. */
  readonly queuePosition?: number | undefined;
  /** The age at which the job was first seen in that place. */
  readonly positionAgeMs?: number | undefined;
}

/** When a job ends or starts, on an axis that begins at `originAgeMs`; it has not at `afterMs` on that axis. */
export interface Upcoming {
  readonly distribution: Distribution;
  /** What polls and delay cost. Not computed of a distribution that is of this job alone. */
  readonly costs: ((price: number) => ScaledCosts) | undefined;
  readonly originAgeMs: number;
  readonly afterMs: number;
}

/** How long a job will still take. */
export interface RemainingTime {
  readonly medianMs: number;
  /** The time within which a share `p` of such jobs succeed, of those that do. */
  quantile(p: number): number;
}

/** How long a job still takes until it succeeds. */
export function remainingMs(estimate: Estimate, job: Job): RemainingTime {
  const { distribution, originAgeMs, afterMs } = endOf(estimate, job, 'succeeded');
  const fromNow = (ms: number) => Math.max(0, ms + originAgeMs - job.ageMs);
  const quantile = (p: number) => fromNow(quantileAfter(distribution, afterMs, p));
  return { medianMs: quantile(0.5), quantile };
}

/** The distribution of the end of a job, given all that the upstream has told of it. */
export function endOf(estimate: Estimate, job: Job, outcome: 'succeeded' | 'ended'): Upcoming {
  const { lastPollAgeMs, startedAgeMs } = job;
  if (job.state === 'queued') {
    const waiting = estimate.waiting(lastPollAgeMs, placeOf(job)).duration;
    return {
      distribution: waiting[outcome],
      costs: waiting.pollCosts,
      originAgeMs: 0,
      afterMs: lastPollAgeMs,
    };
  }
  const render = startedAgeMs === undefined ? undefined : estimate.render;
  const originAgeMs = render ? (startedAgeMs ?? 0) : 0;
  const afterMs = Math.max(0, lastPollAgeMs - originAgeMs);
  const { [outcome]: typical, pollCosts } = render ?? estimate.total;
  const distribution = inLightOfProgress(estimate, job, typical, originAgeMs, afterMs);
  const costs = distribution === typical ? pollCosts : undefined;
  return { distribution, costs, originAgeMs, afterMs };
}

/** The distribution of the start of a job that still waits. */
export function startOf(estimate: Estimate, job: Job): Upcoming {
  const { distribution, pollCosts } = estimate.waiting(job.lastPollAgeMs, placeOf(job)).started;
  return { distribution, costs: pollCosts, originAgeMs: 0, afterMs: job.lastPollAgeMs };
}

function placeOf({ queuePosition, positionAgeMs }: Job): Place | undefined {
  if (queuePosition === undefined || positionAgeMs === undefined || !(queuePosition > 0)) return undefined;
  return { position: queuePosition, ageMs: positionAgeMs };
}

/** Half of it after a minute makes an end after two minutes likely: the more so, the better such percentages were before. */
function inLightOfProgress(
  estimate: Estimate,
  job: Job,
  distribution: Distribution,
  originAgeMs: number,
  afterMs: number,
): Distribution {
  const { progress, progressAgeMs, startedAgeMs = 0 } = job;
  if (progress === undefined || progressAgeMs === undefined || !(progress > 0 && progress < 100))
    return distribution;
  const renderedMs = progressAgeMs - startedAgeMs;
  if (renderedMs <= 0) return distribution;
  return reweighted(distribution, afterMs, {
    fixedMs: startedAgeMs - originAgeMs,
    predictedMs: (renderedMs * 100) / progress,
    error: estimate.progressError(progress),
  });
}
