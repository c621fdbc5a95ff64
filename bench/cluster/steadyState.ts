/** The duration of jobs. */
export interface Typical {
  readonly medianSeconds: number;
  readonly p90Seconds: number;
}

/** Log-normal, like the waits at real upstreams. */
export const TYPICAL: Typical = { medianSeconds: 120, p90Seconds: 200 };

/** The value of the normal distribution that a tenth exceeds. */
const NINETIETH = 1.2816;

/** The sigma of the log-normal distribution with this median and 90th percentile. */
const sigmaOf = ({ medianSeconds, p90Seconds }: Typical): number =>
  Math.log(p90Seconds / medianSeconds) / NINETIETH;

/** The mean duration of a job, milliseconds. */
export const meanMs = (typical: Typical): number =>
  typical.medianSeconds * 1000 * Math.exp(sigmaOf(typical) ** 2 / 2);

/** Milliseconds. `random` returns numbers from 0 to 1. */
export const newDuration = (random: () => number, typical = TYPICAL): number =>
  typical.medianSeconds * 1000 * Math.exp(sigmaOf(typical) * normal(random));

/**
 * A random running job of a system that has run for long: at a random moment of its life, and more likely a
 * long one, because long jobs are present for longer (its length is drawn in proportion to itself). Milliseconds.
 */
export function jobUnderWay(random: () => number, typical: Typical): { age: number; left: number } {
  const lasts = newDuration(random, typical) * Math.exp(sigmaOf(typical) ** 2);
  const age = lasts * random();
  return { age, left: lasts - age };
}

/** Box and Muller's. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
