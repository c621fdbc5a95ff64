import { at, BINS, binOf, edgeMs, widthMs } from './bins.ts';
import { survivalAt } from './distribution.ts';
import type { Estimate } from './estimate.ts';
import { denseCost } from './pollCosts.ts';
import { endOf, type Job, startOf, type Upcoming } from './remainingTime.ts';

export interface PollRequest {
  readonly estimate: Estimate;
  readonly job: Job;
  /** The expected delay of one job that is worth a poll of it, in milliseconds. */
  readonly price: number;
  /** The least time between two polls of a job: what the account permits and the upstream asks for. */
  readonly minIntervalMs: number;
  /** The most time between two polls of a job. Finite. */
  readonly maxGapMs: number;
  /** The part of the ends that the upstream tells by a callback, 0 to 1: those are known without a poll. */
  readonly reliability: number;
}

export interface NextPoll {
  /** Milliseconds from the job's age now until the next poll. */
  readonly ms: number;
  /**
   * What the job adds to the demand for polls at its account: at a price it wants one every sqrt(price) / weight milliseconds. Times the
   * milliseconds since the last poll it is the root of the delay that has built up in expectation.
   */
  readonly weight: number;
}

/** To see late that a job has started is so much less bad than to see its end late. It makes what is expected of its end exact. */
const START_VALUE = 0.1;
/** A price of nothing would make all jobs weigh nothing. */
const LEAST_PRICE_MS = 0.001;

/** When to poll a job next. */
export function nextPollMs(request: PollRequest): NextPoll {
  const { estimate, job, minIntervalMs, maxGapMs, reliability } = request;
  const price = Math.max(LEAST_PRICE_MS, request.price);
  // A poll ends the delay only of the jobs whose callback does not come.
  const priceOfDelay = price / Math.max(1e-6, 1 - reliability);
  const gapToEnd = worthwhileGapMs(endOf(estimate, job, 'ended'), priceOfDelay);
  const gapToStart =
    job.state === 'queued'
      ? worthwhileGapMs(startOf(estimate, job), price / START_VALUE)
      : Number.POSITIVE_INFINITY;
  const gap = Math.min(gapToEnd, gapToStart);
  const polledAgeMs = job.lastPollAgeMs + Math.max(minIntervalMs, Math.min(maxGapMs, gap));
  const ms = Math.max(0, polledAgeMs - job.ageMs);
  const weight = Math.sqrt(price) / Math.min(maxGapMs, gap);
  // A job that another driver polled: the more it is overdue, the less says the gap of its first poll.
  return ms > 0
    ? { ms, weight }
    : { ms, weight: Math.max(Math.sqrt(price) / maxGapMs, weightOfDelay(request)) };
}

/** The weight by the delay that has really built up. */
function weightOfDelay({ estimate, job, reliability }: PollRequest): number {
  const ofEnd = delayMs(endOf(estimate, job, 'ended'), job.ageMs) * (1 - reliability);
  const ofStart = job.state === 'queued' ? delayMs(startOf(estimate, job), job.ageMs) * START_VALUE : 0;
  return Math.sqrt(Math.max(ofEnd, ofStart)) / Math.max(1, job.ageMs - job.lastPollAgeMs);
}

/** The delay in expectation at `ageMs` of a job that has not been polled since. */
function delayMs({ distribution, originAgeMs, afterMs }: Upcoming, ageMs: number): number {
  const alive = survivalAt(distribution, afterMs);
  const untilMs = ageMs - originAgeMs;
  let built = 0;
  let ended = 0;
  let from = afterMs;
  for (let bin = binOf(afterMs); bin < BINS && from < untilMs; bin++) {
    const width = Math.min(untilMs, edgeMs(bin + 1)) - from;
    const density = at(distribution.mass, bin) / widthMs(bin);
    built += ended * width + (density * width * width) / 2;
    ended += density * width;
    from += width;
  }
  return alive > 0 ? built / alive : 0;
}

/**
 * The time from the last poll to the next that makes the expected delay plus `price` for every poll the least.
 *
 * Let F be the distribution of the end and s the age at the last poll. A next poll at t costs ∫ from s to t of (F(u) - F(s)) du for the
 * delay until then, and what polls and delay cost after it. That is known for the distributions that many jobs share; for one of this job
 * alone, polls are taken to be dense. So delay and polls are within 3% of the optimum for the distribution; to
 * poll as soon as the expected delay reaches the price, which is the same where the hazard is even, takes up to 18% longer where a job
 * has two likely ends.
 */
function worthwhileGapMs({ distribution, costs, afterMs }: Upcoming, price: number): number {
  const { mass, survival } = distribution;
  const first = binOf(afterMs);
  let from = Math.max(afterMs, edgeMs(first));
  const begun = (from - edgeMs(first)) / widthMs(first);
  const alive = at(survival, first) - at(mass, first) * begun;
  if (!(alive > 0)) return Number.POSITIVE_INFINITY;
  const known = costs?.(price);
  // Relative to a poll right now, times the probability of having come to `afterMs`.
  let cost = 0;
  let least = 0;
  let best = 0;
  let ended = 0;
  for (let bin = first; bin < BINS; bin++) {
    const density = at(mass, bin) / widthMs(bin);
    const width = edgeMs(bin + 1) - from;
    const left = known ? known.scale * at(known.after, bin + 1) : Number.POSITIVE_INFINITY;
    /** What a millisecond takes off the cost after the poll. */
    const gain =
      (known ? known.scale * at(known.after, bin) - left : denseCost(mass, survival, bin, price)) /
      widthMs(bin);
    const turn = Math.min(width, density > 0 ? (gain - ended) / density : gain > ended ? width : 0);
    if (turn > 0) {
      const there = cost + (ended - gain) * turn + (density * turn * turn) / 2;
      if (there < least) {
        least = there;
        best = from + turn - afterMs;
      }
    }
    cost += (ended - gain) * width + (density * width * width) / 2;
    ended += density * width;
    from += width;
    // Later polls take no more off than all that is left; nor, of dense ones, than this bound of ∫ (sqrt(2 price f S) - ended) du.
    if (cost - least > Math.min(left, (price * at(survival, bin + 1) ** 2) / (2 * ended))) break;
  }
  return best > 0 ? best : Number.POSITIVE_INFINITY;
}
