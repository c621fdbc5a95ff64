/** The duration of jobs: log-normal, like the waits at real upstreams. Seconds. */
export const TYPICAL = { medianSeconds: 120, p90Seconds: 200 };

/** The value of the normal distribution that a tenth exceeds. */
const NINETIETH = 1.2816;
const SIGMA = Math.log(TYPICAL.p90Seconds / TYPICAL.medianSeconds) / NINETIETH;
const MEDIAN_MS = TYPICAL.medianSeconds * 1000;

/** The mean duration of a job, milliseconds. */
export const MEAN_MS = MEDIAN_MS * Math.exp(SIGMA ** 2 / 2);

/** `random` returns numbers from 0 to 1. */
export const newDuration = (random: () => number): number => MEDIAN_MS * Math.exp(SIGMA * normal(random));

/**
 * A random running job of a system that has run for long: at a random moment of its life, and more likely a
 * long one, because long jobs are present for longer (its length is drawn in proportion to itself). Milliseconds.
 */
export function jobUnderWay(random: () => number): { age: number; left: number } {
  const lasts = MEDIAN_MS * Math.exp(SIGMA ** 2 + SIGMA * normal(random));
  const age = lasts * random();
  return { age, left: lasts - age };
}

/** Box and Muller's. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
