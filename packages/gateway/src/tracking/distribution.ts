import { at, BINS, binOf, EDGES, edgeMs, LOG_MIDDLES, middleMs, sum, widthMs } from './bins.ts';

/** How a duration is distributed, evenly within each bin. */
export interface Distribution {
  /** Probability of each bin. */
  readonly mass: Float64Array;
  /** Probability of lasting beyond each edge: one more than there are bins. */
  readonly survival: Float64Array;
}

/** The distribution in proportion to these counts, of which at least one is above zero. Takes the array over. */
export function distributionOf(mass: Float64Array): Distribution {
  const total = sum(mass);
  for (let bin = 0; bin < BINS; bin++) mass[bin] = at(mass, bin) / total;
  const survival = new Float64Array(BINS + 1);
  // From the end, so that a small tail is not lost to rounding.
  for (let bin = BINS - 1; bin >= 0; bin--) survival[bin] = at(survival, bin + 1) + at(mass, bin);
  return { mass, survival };
}

/** `share` of the one and the rest of the other. */
export function mix(one: Distribution, other: Distribution, share: number): Distribution {
  return distributionOf(one.mass.map((mass, bin) => share * mass + (1 - share) * at(other.mass, bin)));
}

/** A log-normal distribution. `sigma` is the standard deviation of the logarithm. */
export function logNormal(medianMs: number, sigma: number): Distribution {
  const below = EDGES.map((edge) => (edge === 0 ? 0 : normalCdf(Math.log(edge / medianMs) / sigma)));
  below[BINS] = 1;
  return distributionOf(Float64Array.from({ length: BINS }, (_, bin) => at(below, bin + 1) - at(below, bin)));
}

/** The distribution of what happens at any time as likely as at any other, however long it has not. */
export const exponential = (meanMs: number): Distribution =>
  distributionOf(
    Float64Array.from(
      { length: BINS },
      (_, bin) => Math.exp(-edgeMs(bin) / meanMs) * -Math.expm1(-widthMs(bin) / meanMs),
    ),
  );

/** Probability that a standard normal variable is below `x`, to 1e-7 (Abramowitz and Stegun, formula 7.1.26). */
export function normalCdf(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const series =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = (series * Math.exp((-x * x) / 2)) / 2;
  return x > 0 ? 1 - tail : tail;
}

/** Probability of lasting beyond `ms`. */
export function survivalAt({ mass, survival }: Distribution, ms: number): number {
  if (ms >= edgeMs(BINS)) return 0;
  const bin = binOf(ms);
  return at(survival, bin) - (at(mass, bin) * (Math.max(0, ms) - edgeMs(bin))) / widthMs(bin);
}

/** The duration that a share `p` stays below, of those that last beyond `afterMs`. */
export function quantileAfter(distribution: Distribution, afterMs: number, p: number): number {
  const survival = (1 - p) * survivalAt(distribution, afterMs);
  let low = Math.min(BINS - 1, binOf(afterMs));
  let high = BINS;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(distribution.survival, middle) >= survival) low = middle;
    else high = middle;
  }
  const mass = at(distribution.mass, low);
  const inside = mass > 0 ? (at(distribution.survival, low) - survival) / mass : 0;
  return Math.max(afterMs, edgeMs(low) + Math.min(1, inside) * widthMs(low));
}

/** The distribution of the sum of two independent durations, of which the first lasts beyond `afterMs`. */
export function sumOf(one: Distribution, other: Distribution, afterMs: number): Distribution {
  const counts = new Float64Array(BINS);
  for (let a = binOf(afterMs); a < BINS; a++) {
    if (at(one.mass, a) < NEGLIGIBLE) continue;
    for (let b = 0; b < BINS; b++) {
      if (at(other.mass, b) < NEGLIGIBLE) continue;
      const bin = binOf(Math.max(middleMs(a), afterMs) + middleMs(b));
      counts[bin] = at(counts, bin) + at(one.mass, a) * at(other.mass, b);
    }
  }
  return sum(counts) > 0 ? distributionOf(counts) : other;
}

/** A bin of a lower probability is left out of sums: there are tens of thousands of pairs of bins. */
const NEGLIGIBLE = 1e-5;

/** A normal distribution, here always of a logarithm. */
export interface Normal {
  readonly mean: number;
  readonly sigma: number;
}

/** A prediction is no evidence in this part of the cases: percentages stick, jump, or are made up. */
const UNTRUSTED_PART = 0.05;
/** The logarithm of such a prediction is as good as anywhere: a standard deviation of e². */
const UNTRUSTED_SIGMA = 2;

/**
 * The durations beyond `afterMs` in the light of a prediction: that the duration is `fixedMs` and then `predictedMs`, but for an error.
 * `error` is the distribution of the logarithm of the actual by the predicted part.
 */
export function reweighted(
  distribution: Distribution,
  afterMs: number,
  prediction: { readonly fixedMs: number; readonly predictedMs: number; readonly error: Normal },
): Distribution {
  const { fixedMs, predictedMs, error } = prediction;
  const expected = Math.log(predictedMs) + error.mean;
  const counts = new Float64Array(BINS);
  for (let bin = binOf(afterMs); bin < BINS; bin++) {
    const partMs = middleMs(bin) - fixedMs;
    const logarithm = fixedMs === 0 ? at(LOG_MIDDLES, bin) : Math.log(Math.max(1, partMs));
    const off = (logarithm - expected) / error.sigma;
    const likelihood = off * off < 50 ? Math.exp((-off * off) / 2) / error.sigma : 0;
    counts[bin] =
      at(distribution.mass, bin) * ((1 - UNTRUSTED_PART) * likelihood + UNTRUSTED_PART / UNTRUSTED_SIGMA);
  }
  return sum(counts) > 0 ? distributionOf(counts) : distribution;
}
