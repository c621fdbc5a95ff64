import { at, BINS, binOf, edgeMs, sum } from './bins.ts';
import {
  type Distribution,
  exponential,
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
  outlastedBy,
  placeTimes,
  progressErrors,
  samplesOf,
} from './learnt.ts';
import { cachedPollCosts, type ScaledCosts } from './pollCosts.ts';
import { posterior } from './posterior.ts';
import { catalogued, LEAST_SIGMA, type Prior, steady } from './prior.ts';

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

/** A parent, or what is known before, weighs as much as so many samples. */
const PARENT_WEIGHT = 1;
/** Of an unknown upstream: few jobs fail, and those fail early. Parts differ much between upstreams, so few samples overrule this one. */
const FAILED = { part: 0.05, times: exponential(10_000), weight: 2 } as const;
/** Percentages of an unknown upstream are off by half: exp(0.5) = 1.6. */
const PROGRESS_ERROR: Normal = { mean: 0, sigma: 0.5 };
/** An unknown queue is short, or not at all. */
const QUEUE = logNormal(10_000, 1.5);
/** A queue may be longer than any before, as far as a place in it says. */
const LONG_QUEUE = { part: 0.2, sigma: 1.2 } as const;
/** A place in an unknown queue takes half a minute, more or less: only jobs that tell of places make use of it. */
const PLACE_TIME: Normal = { mean: Math.log(30_000), sigma: 1 };
/** 5 kB each. */
const MAX_SUMS = 64;

/** `levels`: what is known of the parents of the kind, from the most general on, and at last of the kind itself. */
export function createEstimate(levels: readonly Learnt[], prior: Prior): Estimate {
  const learnt = (name: Histogram) => levels.map((level) => ({ ended: histogram(level, name) }));
  const withOpen = (name: 'succeeded' | 'render') =>
    levels.map((level) => ({ ended: histogram(level, name), outlasted: outlastedBy(level, name) }));
  const failed = posterior(learnt('failed'), FAILED.times);
  const failing = failedPart(levels);
  const durationOf = (succeeded: Distribution): Duration => {
    const ended = mix(failed, succeeded, failing);
    return { succeeded, failed, ended, pollCosts: cachedPollCosts(ended) };
  };
  const total = durationOf(posterior(withOpen('succeeded'), catalogued(prior), steady));
  const started = levels.some((level) => sum(histogram(level, 'render')) > 0);
  const render = started ? durationOf(posterior(withOpen('render'), total.succeeded, steady)) : undefined;
  const progress = progressErrorsOf(levels);
  return {
    total,
    render,
    waiting: waitingJobs(levels, total, render ?? total),
    progressError: (percent) => progress[bandOf(percent)] ?? PROGRESS_ERROR,
    samples: levels.reduce((samples, level) => samples + samplesOf(level), 0),
  };
}

function failedPart(levels: readonly Learnt[]): number {
  let part: number = FAILED.part;
  for (const level of levels) {
    // Of jobs that are open most succeed.
    const jobs = Math.max(samplesOf(level), at(outlastedBy(level, 'succeeded'), 0));
    part = (sum(histogram(level, 'failed')) + FAILED.weight * part) / (jobs + FAILED.weight);
  }
  return part;
}

/** Jobs that still wait end after the rest of the wait and the render time. */
function waitingJobs(levels: readonly Learnt[], total: Duration, render: Duration): Estimate['waiting'] {
  const waits = levels.map((level) => ({ ended: histogram(level, 'queue') }));
  const queue = posterior(waits, QUEUE);
  const placeTime = posteriorNormal(levels.map(placeTimes), PLACE_TIME);
  const told = waits.some(({ ended }) => sum(ended) > 0);
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
  const possible = mix(logNormal(ageMs + predictedMs, LONG_QUEUE.sigma), queue, LONG_QUEUE.part);
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
