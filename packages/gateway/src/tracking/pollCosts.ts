import { at, BINS, widthMs } from './bins.ts';
import type { Distribution } from './distribution.ts';

/**
 * What polls and delay cost a job from each edge of the bins on, times the probability of coming to it, if it is polled there and as
 * well as possible after that. In milliseconds of delay, of which a poll is worth `price`.
 */
export type PollCosts = Float64Array;

/** Times `scale`, the costs at a price. */
export interface ScaledCosts {
  readonly after: PollCosts;
  readonly scale: number;
}

/** Costs go about with the root of the price: those of one price serve all that differ by less than the root of this factor. */
const PRICE_RATIO = 1.3;
/** 1.2 kB each. */
const MAX_PRICES = 16;

/** The costs of the best schedule, by dynamic programming over the edges of the bins. That takes some 20 µs, once for each price. */
export function cachedPollCosts(distribution: Distribution): (price: number) => ScaledCosts {
  const known = new Map<number, PollCosts>();
  return (price) => {
    const group = Math.round(Math.log(price) / Math.log(PRICE_RATIO));
    const near = PRICE_RATIO ** group;
    let after = known.get(group);
    if (!after) {
      if (known.size >= MAX_PRICES) known.clear();
      after = pollCosts(distribution, near);
      known.set(group, after);
    }
    return { after, scale: Math.sqrt(price / near) };
  };
}

function pollCosts({ mass, survival }: Distribution, price: number): PollCosts {
  const costs = new Float64Array(BINS + 1);
  for (let from = BINS - 1; from >= 0; from--) {
    const dense = denseCost(mass, survival, from, price);
    // Where more than one poll falls into a bin, they are dense. Otherwise the next one is at the edge of this bin or of a later one.
    const polls = dense > 0 ? (widthMs(from) * at(mass, from)) / dense : 0;
    let least = polls > 1 ? dense + at(costs, from + 1) : Number.POSITIVE_INFINITY;
    const poll = price * at(survival, from);
    let ended = 0;
    let waited = 0;
    for (let to = from + 1; to <= BINS && poll + waited < least; to++) {
      const width = widthMs(to - 1);
      waited += (ended + at(mass, to - 1) / 2) * width;
      ended += at(mass, to - 1);
      least = Math.min(least, poll + waited + at(costs, to));
    }
    costs[from] = least;
  }
  return costs;
}

/**
 * What a bin costs if polls follow each other so closely that the hazard hardly changes in between. Let f be the density of the end and
 * S the survival: every sqrt(2 price S/f) is then best, and costs sqrt(2 price f S) for each unit of time.
 */
export function denseCost(mass: Float64Array, survival: Float64Array, bin: number, price: number): number {
  const alive = (at(survival, bin) + at(survival, bin + 1)) / 2;
  return Math.sqrt(2 * price * at(mass, bin) * widthMs(bin) * alive);
}
