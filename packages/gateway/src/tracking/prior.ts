import { at, BINS, edgeMs, widthMs } from './bins.ts';
import { type Distribution, distributionOf, logNormal } from './distribution.ts';

/** What the catalogue says of submit to end. */
export interface Prior {
  readonly medianSeconds: number;
  readonly p90Seconds: number;
}

/** No time is known better than this: about half the width of a bin. */
export const LEAST_SIGMA = 0.05;
/** 90th percentile of the standard normal distribution. */
const NORMAL_P90 = 1.2816;
/** What is said of the last of a thousand jobs means nothing. */
const REST = 0.001;
/** Of the power law that the tail becomes. With a flatter one, polls would thin out before a job of 2.5 times the catalogue's time ends. */
const EXPONENT = 6;

/** The catalogue at its word. */
export function catalogued({ medianSeconds, p90Seconds }: Prior): Distribution {
  const sigma = Math.max(LEAST_SIGMA, Math.log(p90Seconds / medianSeconds) / NORMAL_P90);
  return logNormal(medianSeconds * 1000, sigma);
}

/**
 * The distribution, but with a hazard that does not fall. A job that outlives what it was said to take shows that this was wrong, which
 * is no reason to poll it less: at a hazard that stays, polls come at a fixed interval. Jobs that all end at one age, whichever it is,
 * are then polled no worse than at a fixed interval: intervals that do not grow are shortest at the end, so as many polls at the last
 * interval would not have been enough to get there. From `EXPONENT` divided by the hazard on, the hazard falls with the age, so that no
 * time is impossible.
 */
export function steady({ survival }: Distribution): Distribution {
  const mass = new Float64Array(BINS);
  let alive = 1;
  let highest = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const [before, after] = [at(survival, bin), at(survival, bin + 1)];
    const hazard = after > 0 ? Math.log(before / after) / widthMs(bin) : 0;
    if (before > REST) highest = Math.max(highest, hazard);
    const lasting = Math.min(highest, EXPONENT / edgeMs(bin + 1));
    const left = bin === BINS - 1 ? 0 : alive * Math.exp(-Math.max(hazard, lasting) * widthMs(bin));
    mass[bin] = alive - left;
    alive = left;
  }
  return distributionOf(mass);
}
