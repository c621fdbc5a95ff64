import { invert, mean, type Workload } from './workloads.ts';

/** What a schedule of polls costs a job, on average. */
export interface Cost {
  readonly polls: number;
  readonly delaySeconds: number;
}

/** The age of the next poll of a job that had not ended at this age. In seconds, as all times of this bench. */
export type Schedule = (age: number, dayPart: number) => number;

/** Ages for each poll that a job gets, about. With fewer the optimum would seem later than it is. */
const STEPS_PER_POLL = 30;
const [MIN_STEPS, MAX_STEPS] = [400, 6000];
/** A drifting workload is solved for so many times of the day. */
const DAY_PARTS = 24;

const dayPartsOf = ({ drifts }: Workload): number => (drifts ? DAY_PARTS : 1);

/** The schedule with the least delay for its number of polls, and what it costs. */
export function optimum(
  workload: Workload,
  price: number,
  minInterval: number,
): Cost & { readonly next: Schedule } {
  const count = dayPartsOf(workload);
  const parts = Array.from({ length: count }, (_, part) =>
    solve(workload, (part + 0.5) / count, price, minInterval),
  );
  return {
    polls: mean(parts.map(({ polls }) => polls)),
    delaySeconds: mean(parts.map(({ delaySeconds }) => delaySeconds)),
    next: (age, dayPart) => parts[Math.floor(dayPart * count) % count]?.next(age) ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * Dynamic programming with the true distribution known: for each age of the last poll, the next one that makes the expected delay plus
 * `price` a poll the least. No schedule that only knows the age does better.
 */
function solve(workload: Workload, dayPart: number, price: number, minInterval: number) {
  const below = (seconds: number) => workload.below(seconds, dayPart);
  const polled = Math.sqrt(workload.prior.medianSeconds / price);
  const ages = agesOf(below, Math.round(Math.min(MAX_STEPS, Math.max(MIN_STEPS, STEPS_PER_POLL * polled))));
  const last = ages.length - 1;
  const ended = Float64Array.from(ages, (age, i) => (i === last ? 1 : below(age)));
  /** Integral of `ended` over the age. */
  const area = new Float64Array(ages.length);
  for (let i = 1; i <= last; i++)
    area[i] = at(area, i - 1) + ((at(ages, i) - at(ages, i - 1)) * (at(ended, i) + at(ended, i - 1))) / 2;
  const cost = new Float64Array(ages.length);
  const polls = new Float64Array(ages.length);
  const delay = new Float64Array(ages.length);
  const then = new Int32Array(ages.length).fill(last);
  for (let from = last - 1; from >= 0; from--) {
    const alive = 1 - at(ended, from);
    let least = Number.POSITIVE_INFINITY;
    for (let to = from + 1; to <= last; to++) {
      const gap = at(ages, to) - at(ages, from);
      if (gap < minInterval && to < last) continue;
      const waited = at(area, to) - at(area, from) - at(ended, from) * gap;
      if (waited > least) break;
      const total = price * alive + waited + at(cost, to);
      if (total >= least) continue;
      least = total;
      cost[from] = total;
      polls[from] = alive + at(polls, to);
      delay[from] = waited + at(delay, to);
      then[from] = to;
    }
  }
  const next = (age: number) => {
    if (age >= at(ages, last)) return age + minInterval;
    return at(ages, at(then, indexOf(ages, age)));
  };
  return { polls: at(polls, 0), delaySeconds: at(delay, 0), next };
}

/** Ages that may be polled: close to each other where jobs end, and in the tail. */
function agesOf(below: (seconds: number) => number, steps: number): Float64Array {
  const first = invert(below, 1e-4);
  const end = invert(below, 0.99999);
  const ages = new Set([0]);
  for (let step = 0; step <= steps; step++) {
    ages.add(invert(below, 1e-4 + ((0.9995 - 1e-4) * step) / steps));
    ages.add(first * (end / first) ** (step / steps));
  }
  return Float64Array.from(ages).sort();
}

/** Index of the last of these ages that is not after `age`. */
function indexOf(ages: Float64Array, age: number): number {
  let low = 0;
  let high = ages.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(ages, middle) <= age) low = middle;
    else high = middle;
  }
  return low;
}

const at = (values: ArrayLike<number>, index: number): number => values[index] ?? 0;

/** Optima from many polls a job to hardly more than one, by falling number of polls. */
export function frontier(workload: Workload, minInterval: number): Cost[] {
  const { medianSeconds } = workload.prior;
  const prices = Array.from({ length: 46 }, (_, step) => medianSeconds * 2e-6 * 1.5 ** step);
  return prices.map((price) => optimum(workload, price, minInterval));
}

/**
 * The least delay for this number of polls: between two optima, a share of the jobs gets the one and the rest the other. Undefined for
 * fewer polls than the optima have, and the least delay of all for more.
 */
export function leastDelay(optima: readonly Cost[], polls: number): number | undefined {
  const [most] = optima;
  if (most && polls >= most.polls) return most.delaySeconds;
  for (const [i, fewer] of optima.entries()) {
    const more = optima[i - 1];
    if (!more || fewer.polls > polls) continue;
    const share = (polls - fewer.polls) / (more.polls - fewer.polls);
    return share * more.delaySeconds + (1 - share) * fewer.delaySeconds;
  }
  return undefined;
}
