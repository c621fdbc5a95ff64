/** How long jobs take: log-normal, as the waits at real upstreams are. Seconds. */
export const TYPICAL = { medianSeconds: 120, p90Seconds: 200 };

/** Of the normal distribution, above which a tenth lies. */
const NINETIETH = 1.2816;
const SIGMA = Math.log(TYPICAL.p90Seconds / TYPICAL.medianSeconds) / NINETIETH;
const MEDIAN_MS = TYPICAL.medianSeconds * 1000;

/** How long a job takes on average, milliseconds. */
export const MEAN_MS = MEDIAN_MS * Math.exp(SIGMA ** 2 / 2);

/** `random` gives numbers from 0 to 1. */
export const newDuration = (random: () => number): number => MEDIAN_MS * Math.exp(SIGMA * normal(random));

/**
 * A job as it is met by whoever looks into a system that has run for long: at a random moment of its life, and more likely a
 * long one, since those are there for longer (its length is drawn in proportion to itself). Milliseconds.
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
