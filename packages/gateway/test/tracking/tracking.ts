import type { Estimate } from '../../src/tracking/estimate.ts';
import { createEstimator, type Estimator } from '../../src/tracking/estimator.ts';
import type { Kind } from '../../src/tracking/kind.ts';
import type { Sample } from '../../src/tracking/learnt.ts';
import type { Prior } from '../../src/tracking/prior.ts';
import type { Job } from '../../src/tracking/remainingTime.ts';

export const KIND: Kind = { account: 'openai', model: 'sora-2', resolution: '720p', durationSeconds: 4 };
/** The catalogue's figures of Sora 2. */
export const PRIOR: Prior = { medianSeconds: 150, p90Seconds: 360 };
export const START_MS = Date.UTC(2026, 0, 1);

/** A job that succeeded at this age, as an upstream shows it that tells the time. */
export const succeededAt = (seconds: number, more: Partial<Sample> = {}): Sample => ({
  outcome: 'succeeded',
  total: { fromMs: seconds * 1000, toMs: seconds * 1000 },
  ...more,
});

/** Learns these samples, a minute from each other. */
export function learnAll(
  samples: readonly Sample[],
  estimator: Estimator = createEstimator(),
  kind = KIND,
): Estimator {
  samples.forEach((sample, i) => {
    estimator.learn(kind, PRIOR, sample, START_MS + i * 60_000);
  });
  return estimator;
}

export const estimateAfter = (samples: readonly Sample[]): Estimate =>
  learnAll(samples).estimate(KIND, PRIOR);

/** A job that was polled just now. */
export const job = (ageSeconds: number, more: Partial<Job> = {}): Job => ({
  ageMs: ageSeconds * 1000,
  lastPollAgeMs: ageSeconds * 1000,
  state: 'running',
  ...more,
});

/** Evenly spaced quantiles of a log-normal distribution: samples without chance. */
export function logNormalSeconds(median: number, sigma: number, count: number): number[] {
  const seconds = Array.from({ length: count }, (_, i) => {
    const p = (i + 0.5) / count;
    // Logistic approximation of the normal quantile, within 2% where samples are.
    return median * Math.exp(sigma * (Math.log(p / (1 - p)) / 1.702));
  });
  // In an order that is not sorted: each half between the others.
  return seconds.map((_, i) => seconds[(i * 7919) % count] ?? median);
}
