import { at, BINS, binOf, edgeMs, smooth, sum } from './bins.ts';
import {
  type Distribution,
  distributionOf,
  logNormal,
  mix,
  type Normal,
  reweighted,
  sumOf,
} from './distribution.ts';
import {
  BANDS,
  bandOf,
  type Histogram,
  histogram,
  type Learnt,
  placeTimes,
  progressErrors,
  samplesOf,
} from './learnt.ts';
import { cachedPollCosts, type ScaledCosts } from './pollCosts.ts';

/** What the catalogue says of submit to end. */
export interface Prior {
  readonly medianSeconds: number;
  readonly p90Seconds: number;
}

/** How long a part of a job takes. */
export interface Duration {
  /** Until it succeeds. */
  readonly succeeded: Distribution;
  /** Until it fails. */
  readonly failed: Distribution;
  /** Until it ends in any way. */
  readonly ended: Distribution;
  /** What polls and delay cost until then. */
  pollCosts(price: number): ScaledCosts;
}

/** How long a job takes that still waits to be started. */
export interface Waiting {
  /** From submit to start. */
  readonly started: Timing;
  /** From submit to end. */
  readonly duration: Duration;
}

/** When something happens, and what it costs to poll until it is seen. */
export interface Timing {
  readonly distribution: Distribution;
  pollCosts(price: number): ScaledCosts;
}

/** How long jobs of a kind take, shared by all tasks of the kind. */
export interface Estimate {
  /** From submit to end. */
  readonly total: Duration;
  /** From start to end, if a job has told. */
  readonly render: Duration | undefined;
  /**
   * Of a job that still waits at the age `afterMs`. `place` is its place in the upstream's queue, and the age at which it was first seen
   * there.
   */
  waiting(afterMs: number, place?: Place): Waiting;
  /** How the logarithm of the render time by what such a percentage predicts is distributed. */
  progressError(percent: number): Normal;
  /** How many samples of the model count, after their decay. */
  readonly samples: number;
}

export interface Place {
  readonly position: number;
  readonly ageMs: number;
}

/** A parent, or the catalogue, weighs as much as so many samples of the kind itself: no more, so that fifty of them overrule a wrong one. */
const PARENT_WEIGHT = 1;
/** The catalogue is typically right. In the rest of the cases it says little more than the order of magnitude. */
const BROAD_PART = 0.2;
const BROAD_SIGMA = 1.2;
/** An unknown upstream: few jobs fail, and those fail early. */
const FAILED = { part: 0.03, medianMs: 10_000, sigma: 1.2, weight: 20 } as const;
/** Percentages of an unknown upstream are off by half: exp(0.5) = 1.6. */
const PROGRESS_ERROR: Normal = { mean: 0, sigma: 0.5 };
/** An unknown queue is short, or not at all. */
const QUEUE = { medianMs: 10_000, sigma: 1.5 } as const;
/** A place in an unknown queue takes half a minute, more or less: only jobs that tell of places make use of it. */
const PLACE_TIME: Normal = { mean: Math.log(30_000), sigma: 1 };
/** 5 kB each. */
const MAX_SUMS = 64;
/** No time is known better than this: the width of a bin. */
const LEAST_SIGMA = 0.05;
/** What has faded to less than this part of a sample counts no more. */
const NEGLIGIBLE = 0.001;
/** 90th percentile of the standard normal distribution. */
const NORMAL_P90 = 1.2816;

/** `levels`: what is known of the parents of the kind, from the most general on, and at last of the kind itself. */
export function createEstimate(levels: readonly Learnt[], prior: Prior): Estimate {
  const failed = posterior(levels, 'failed', logNormal(FAILED.medianMs, FAILED.sigma));
  const failing = failedPart(levels);
  const durationOf = (succeeded: Distribution): Duration => {
    const ended = mix(failed, succeeded, failing);
    return { succeeded, failed, ended, pollCosts: cachedPollCosts(ended) };
  };
  const total = durationOf(posterior(levels, 'succeeded', priorOf(prior)));
  const started = levels.some((level) => sum(histogram(level, 'render')) > 0);
  const render = started ? durationOf(posterior(levels, 'render', total.succeeded)) : undefined;
  const progress = progressErrorsOf(levels);
  return {
    total,
    render,
    waiting: waitingJobs(levels, total, render ?? total),
    progressError: (percent) => progress[bandOf(percent)] ?? PROGRESS_ERROR,
    samples: levels.reduce((samples, level) => samples + samplesOf(level), 0),
  };
}

function priorOf({ medianSeconds, p90Seconds }: Prior): Distribution {
  const sigma = Math.max(LEAST_SIGMA, Math.log(p90Seconds / medianSeconds) / NORMAL_P90);
  const medianMs = medianSeconds * 1000;
  return mix(logNormal(medianMs, BROAD_SIGMA), logNormal(medianMs, sigma), BROAD_PART);
}

/** The histogram of each level, with the one before as its prior. */
function posterior(levels: readonly Learnt[], name: Histogram, prior: Distribution): Distribution {
  let mass = prior.mass;
  for (const level of levels) {
    const counts = histogram(level, name);
    const samples = sum(counts);
    if (samples < NEGLIGIBLE) continue;
    const parent = mass;
    mass = smoothAdaptively(counts, samples).map((count, bin) => count + PARENT_WEIGHT * at(parent, bin));
    const total = samples + PARENT_WEIGHT;
    for (let bin = 0; bin < BINS; bin++) mass[bin] = at(mass, bin) / total;
  }
  return distributionOf(mass);
}

/**
 * Few samples are spread wide and many little. Where
 * samples are sparse, as in a long tail, they are spread wider than where most are (Abramson's rule).
 */
function smoothAdaptively(counts: Float64Array, samples: number): Float64Array {
  const width = Math.max(0.5, 6 * (1 + samples) ** (-1 / 3));
  const pilot = smooth(counts, () => width);
  let logarithms = 0;
  for (let bin = 0; bin < BINS; bin++)
    if (at(counts, bin) > 0) logarithms += at(counts, bin) * Math.log(at(pilot, bin));
  const typical = Math.exp(logarithms / samples);
  return smooth(counts, (bin) => width * Math.min(4, Math.max(1, Math.sqrt(typical / at(pilot, bin)))));
}

function failedPart(levels: readonly Learnt[]): number {
  let part: number = FAILED.part;
  for (const level of levels)
    part = (sum(histogram(level, 'failed')) + FAILED.weight * part) / (samplesOf(level) + FAILED.weight);
  return part;
}

/** Jobs that still wait end after the rest of the wait and the render time. */
function waitingJobs(levels: readonly Learnt[], total: Duration, render: Duration): Estimate['waiting'] {
  const queue = posterior(levels, 'queue', logNormal(QUEUE.medianMs, QUEUE.sigma));
  const placeTime = posteriorNormal(levels.map(placeTimes), PLACE_TIME);
  const told = levels.some((level) => sum(histogram(level, 'queue')) > 0);
  /** A sum of two durations takes 50 µs, and serves all jobs whose ages are in the same bins. */
  const known = new Map<number, Waiting>();
  return (afterMs, place) => {
    const after = binOf(afterMs);
    const predictedMs = place ? place.position * Math.exp(placeTime.mean) : 0;
    const start = place ? binOf(place.ageMs + predictedMs) : -1;
    const key = after * (BINS + 1) + start;
    const cached = known.get(key);
    if (cached) return cached;
    const wait = place ? inPlace(queue, afterMs, place, { predictedMs, sigma: placeTime.sigma }) : queue;
    const waiting = {
      started: { distribution: wait, pollCosts: cachedPollCosts(wait) },
      duration: told || place ? afterWaiting(wait, render, edgeMs(after)) : total,
    };
    if (known.size >= MAX_SUMS) known.clear();
    known.set(key, waiting);
    return waiting;
  };
}

/** A place far behind is news of a queue that is longer than any before. */
function inPlace(
  queue: Distribution,
  afterMs: number,
  { ageMs }: Place,
  { predictedMs, sigma }: { readonly predictedMs: number; readonly sigma: number },
): Distribution {
  const possible = mix(logNormal(ageMs + predictedMs, BROAD_SIGMA), queue, BROAD_PART);
  return reweighted(possible, afterMs, { fixedMs: ageMs, predictedMs, error: { mean: 0, sigma } });
}

function afterWaiting(wait: Distribution, render: Duration, afterMs: number): Duration {
  const [succeeded, failed, ended] = [render.succeeded, render.failed, render.ended].map((duration) =>
    sumOf(wait, duration, afterMs),
  ) as [Distribution, Distribution, Distribution];
  return { succeeded, failed, ended, pollCosts: cachedPollCosts(ended) };
}

const progressErrorsOf = (levels: readonly Learnt[]): Normal[] =>
  Array.from({ length: BANDS }, (_, band) =>
    posteriorNormal(
      levels.map((level) => progressErrors(level, band)),
      PROGRESS_ERROR,
    ),
  );

/** Normal distribution by counts, sums and sums of squares of each level, with the one before as its prior. */
function posteriorNormal(levels: readonly [number, number, number][], prior: Normal): Normal {
  let { mean, sigma } = prior;
  for (const [count, total, squares] of levels) {
    const samples = count + PARENT_WEIGHT;
    const next = (total + PARENT_WEIGHT * mean) / samples;
    const spread = squares - 2 * next * total + count * next ** 2;
    const parent = PARENT_WEIGHT * (sigma ** 2 + (mean - next) ** 2);
    sigma = Math.sqrt(Math.max(LEAST_SIGMA ** 2, (spread + parent) / samples));
    mean = next;
  }
  return { mean, sigma };
}
