import { at, sum } from './bins.ts';

/**
 * The price of a poll at one account: the expected delay of a job, in milliseconds, from which on it is worth a poll. It rises until the polls of
 * all its jobs together keep to the account's allowance.
 */
export interface PollPrice {
  /** Of each job that is polled: the weight that `nextPollMs` returned. */
  add(weight: number): void;
  remove(weight: number): void;
  replace(weight: number, by: number): void;
  /** Milliseconds. */
  current(): number;
  /** Sets the price anew, about every second. `polled` is how many jobs were polled in the `elapsedMs` since the last time. */
  tick(elapsedMs: number, polled: number): void;
}

export interface PollPriceOptions {
  /** How many jobs this node may poll a second: the account's requests a second, times the jobs in a request, times this node's part. */
  allowancePerSecond(): number;
  /** The part of the allowance that is spent on polls, 0 to 1. */
  readonly share: number;
  /** The least time between two polls of one job. */
  readonly minIntervalMs: number;
  /** The price of an account that has polls to spare. Milliseconds. */
  readonly floorMs?: number;
}

/**
 * An account with slack polls a job every second as soon as the hazard of its end is 1/1000 a second, and more rarely before that. So a
 * job of the slowest models, of a quarter of an hour, is polled at the polite interval while it is likely to end.
 */
const FLOOR_MS = 0.5;
/** An hour: above it an account has no allowance left to speak of. */
const CEILING_MS = 3_600_000;
/** Weights are in units of 1/sqrt(ms): from one poll in a day at the lowest price to a thousand a second at the highest. */
const LEAST_WEIGHT = 1e-9;
const GROUP_RATIO = 1.25;
const GROUPS = 128;
/** Time constant of the correction by what was really polled, at least. Milliseconds. */
const TRIM_MS = 20_000;
/** And in gaps between the polls of a job: a job follows the price with its next poll, and a faster correction would oscillate. */
const TRIM_GAPS = 4;

export function createPollPrice(options: PollPriceOptions): PollPrice {
  const { allowancePerSecond, share, minIntervalMs, floorMs = FLOOR_MS } = options;
  const counts = new Float64Array(GROUPS);
  const sums = new Float64Array(GROUPS);
  let price = floorMs;
  let trim = 1;

  function change(weight: number, by: number): void {
    const group = groupOf(weight);
    counts[group] = at(counts, group) + by;
    sums[group] = at(counts, group) > 0 ? at(sums, group) + by * weight : 0;
  }

  /** Polls a second that all jobs want at this price. */
  function demand(priceMs: number): number {
    const root = Math.sqrt(priceMs);
    let perMs = 0;
    for (let group = 0; group < GROUPS; group++) {
      const count = at(counts, group);
      if (count > 0) perMs += Math.min(count / minIntervalMs, at(sums, group) / root);
    }
    return perMs * 1000;
  }

  /** Between two polls of a job, at the price. */
  function meanGapMs(): number {
    const jobs = sum(counts);
    return jobs > 0 ? (jobs * 1000) / demand(price) : 0;
  }

  return {
    add: (weight) => change(weight, 1),
    remove: (weight) => change(weight, -1),
    replace(weight, by) {
      change(weight, -1);
      change(by, 1);
    },
    current: () => price,
    tick(elapsedMs, polled) {
      const target = share * Math.max(1e-6, allowancePerSecond());
      if (elapsedMs > 0) {
        const used = (polled * 1000) / elapsedMs;
        const off = price > floorMs ? Math.max(-1, Math.min(1, used / target - 1)) : trim - 1;
        const slowly = Math.max(TRIM_MS, TRIM_GAPS * meanGapMs());
        trim = Math.min(2, Math.max(0.5, trim * (1 - (off * Math.min(elapsedMs, slowly)) / slowly)));
      }
      price = solve(demand, target * trim, floorMs);
    },
  };
}

const groupOf = (weight: number): number =>
  Math.max(
    0,
    Math.min(
      GROUPS - 1,
      Math.floor(Math.log(Math.max(weight, LEAST_WEIGHT) / LEAST_WEIGHT) / Math.log(GROUP_RATIO)),
    ),
  );

/** The price at which the demand, which falls with it, meets the target: to 0.1%, by halving on the logarithmic scale. */
function solve(demand: (priceMs: number) => number, target: number, floorMs: number): number {
  if (demand(floorMs) <= target) return floorMs;
  let low = floorMs;
  let high = CEILING_MS;
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high);
    if (demand(middle) > target) low = middle;
    else high = middle;
  }
  return high;
}
