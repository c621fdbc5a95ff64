import { at, BINS, BINS_PER_LOG, LOG_MIDDLES, normalKernel, smooth, sum } from './bins.ts';
import { type Distribution, distributionOf, mix } from './distribution.ts';

/** What is known before is right in this part of the cases. In the others only its shape is, and its times are off by a factor of about 2. */
const RIGHT_PART = 0.5;
const OFF_SIGMA = Math.LN2;
/** What has faded to less than this part of a sample counts no more. */
const NEGLIGIBLE = 0.001;
/**
 * What is known weighs as much as so many samples, at least and at most. At most: where polls are few, samples are wide intervals that are
 * divided by what is known already, and would confirm it for ever.
 */
const LEAST_WEIGHT = 1;
const MOST_WEIGHT = 10;
/** The steps in which its share is found: more change it by less than a hundredth. */
const STEPS = 12;
/** One sample foretells nothing of another. */
const LEAST_OTHERS = 1.5;
/** Samples in a long tail are spread so many times wider than the others, at most. */
const WIDEST = 4;

/** Samples of a duration, counted by bin. */
export interface Samples {
  readonly ended: Float64Array;
  /** How many have lasted beyond each bin, open ones too. By default those that ended later. */
  readonly outlasted?: Float64Array;
}

/**
 * How a duration is distributed in the light of samples: of parents first, each the more alike what is asked for.
 * `known` is what is known before, and `prudent` what is done about its being wrong, until samples overrule it.
 */
export function posterior(
  samples: readonly Samples[],
  known: Distribution,
  prudent: (distribution: Distribution) => Distribution = (distribution) => distribution,
): Distribution {
  const learnt = samples.filter(
    ({ ended, outlasted }) => Math.max(sum(ended), outlasted?.[0] ?? 0) >= NEGLIGIBLE,
  );
  if (learnt.length === 0) return prudent(rescaled(known, new Float64Array(BINS), 0));
  return learnt.reduce((before, each) => {
    const counts = imputed(each, before);
    const count = sum(counts);
    return combined(prudent(rescaled(before, counts, count)), counts, count);
  }, known);
}

/**
 * The samples as if all had ended, by the product-limit estimate (Kaplan and Meier 1958): of the jobs at risk in a bin, the part that ended in
 * it. A job that has not come there is as likely to end there as those that have, and one more of what is known before.
 */
function imputed({ ended, outlasted }: Samples, known: Distribution): Float64Array {
  if (!outlasted) return ended;
  const atRisk = ended.map((one, bin) => one + Math.max(0, at(outlasted, bin)));
  const counts = new Float64Array(BINS);
  let left = atRisk.reduce((most, one) => Math.max(most, one), 0);
  for (let bin = 0; bin < BINS; bin++) {
    const alive = at(known.survival, bin);
    const hazard = alive > 0 ? at(known.mass, bin) / alive : 1;
    const seen = at(atRisk, bin) > 0 ? at(ended, bin) / at(atRisk, bin) : 0;
    const unseen = Math.max(0, left - at(atRisk, bin));
    const part = (left - unseen) * seen + (unseen * (at(ended, bin) + hazard)) / (at(atRisk, bin) + 1);
    counts[bin] = bin === BINS - 1 ? left : part;
    left -= part;
  }
  return counts;
}

/**
 * The shape of what is known, rescaled, that is moved along the logarithmic axis, to where the samples are: a few samples tell that a catalogue is 2.5 times
 * off, long before they tell a shape. The logarithm is taken to be normal, so that the posterior of the move has a closed form.
 */
function rescaled(known: Distribution, counts: Float64Array, count: number): Distribution {
  const { mean, variance } = momentsOf(known.mass, 1);
  const off = count > 0 ? momentsOf(counts, count).mean - mean : 0;
  const noise = variance / Math.max(count, NEGLIGIBLE);
  const wide = noise + OFF_SIGMA ** 2;
  // By Bayes: how likely this mean of the samples is if what is known is right, and if it is off.
  const odds =
    (RIGHT_PART / (1 - RIGHT_PART)) *
    Math.sqrt(wide / noise) *
    Math.exp((off ** 2 / wide - off ** 2 / noise) / 2);
  const trust = OFF_SIGMA ** 2 / wide;
  const elsewhere = shifted(known.mass, off * trust * BINS_PER_LOG);
  const unsure = Math.sqrt(noise * trust) * BINS_PER_LOG;
  return mix(known, distributionOf(smooth(elsewhere, () => unsure)), odds / (1 + odds));
}

function momentsOf(mass: Float64Array, total: number): { mean: number; variance: number } {
  let [first, second] = [0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    first += at(mass, bin) * at(LOG_MIDDLES, bin);
    second += at(mass, bin) * at(LOG_MIDDLES, bin) ** 2;
  }
  const mean = first / total;
  return { mean, variance: Math.max(1 / BINS_PER_LOG ** 2, second / total - mean ** 2) };
}

/** Moved by so many bins. What would leave at an end stays in the outermost bin. */
function shifted(mass: Float64Array, bins: number): Float64Array {
  const whole = Math.floor(bins);
  const result = new Float64Array(BINS);
  const put = (bin: number, by: number) => {
    const to = Math.min(BINS - 1, Math.max(0, bin));
    result[to] = at(result, to) + by;
  };
  for (let bin = 0; bin < BINS; bin++) {
    put(bin + whole, at(mass, bin) * (1 - (bins - whole)));
    put(bin + whole + 1, at(mass, bin) * (bins - whole));
  }
  return result;
}

/** What is known and the spread samples, in the shares that foretell each sample best from the others. */
function combined(known: Distribution, counts: Float64Array, count: number): Distribution {
  const { spread, widths } = spreadOut(counts, count);
  const share = shareOf(known, counts, count, { spread, widths });
  const mass = spread.map((one, bin) => share * at(known.mass, bin) + ((1 - share) * one) / count);
  return distributionOf(boundedBelow(mass, known, counts, count, share));
}

/** Samples spread by normal curves. */
interface Spread {
  readonly spread: Float64Array;
  /** Of the samples in each bin: the standard deviation of the curve in bins. */
  readonly widths: Float64Array;
}

/**
 * Few samples are spread wide and many little. Where samples are sparse, as in a long tail, they are spread wider than where most are
 * (Abramson's rule).
 */
function spreadOut(counts: Float64Array, count: number): Spread {
  const width = Math.max(0.5, 6 * (1 + count) ** (-1 / 3));
  const pilot = smooth(counts, () => width);
  let logarithms = 0;
  for (let bin = 0; bin < BINS; bin++)
    if (at(counts, bin) > 0) logarithms += at(counts, bin) * Math.log(at(pilot, bin));
  const typical = Math.exp(logarithms / count);
  const widths = pilot.map((density) => width * Math.min(WIDEST, Math.max(1, Math.sqrt(typical / density))));
  return { spread: smooth(counts, (bin) => at(widths, bin)), widths };
}

/**
 * The share of what is known, by the likelihood of each sample given the others (stacking, Yao et al. 2018), found by
 * expectation-maximisation. Jobs that follow the shape that is known need few samples; for others it soon counts no more.
 */
function shareOf(known: Distribution, counts: Float64Array, count: number, samples: Spread): number {
  const likely: { weight: number; byKnown: number; byOthers: number }[] = [];
  for (let bin = 0; bin < BINS; bin++) {
    const weight = at(counts, bin);
    if (weight < NEGLIGIBLE) continue;
    const byKnown = at(known.mass, bin);
    const byOthers = withoutOne(counts, count, samples, bin);
    if (byKnown + byOthers > 0) likely.push({ weight, byKnown, byOthers });
  }
  let share = 0.5;
  for (let step = 0; step < STEPS; step++) {
    let explained = LEAST_WEIGHT;
    for (const { weight, byKnown, byOthers } of likely)
      explained += (weight * share * byKnown) / (share * byKnown + (1 - share) * byOthers);
    share = explained / (count + LEAST_WEIGHT);
  }
  return Math.min(share, MOST_WEIGHT / (count + MOST_WEIGHT));
}

/**
 * How likely a bin is by all samples but one in it. A sample of which only an interval is known is counted in parts, over neighbouring
 * bins: so what is taken out is what is nearest, until it is one.
 */
function withoutOne(counts: Float64Array, count: number, { spread, widths }: Spread, bin: number): number {
  const others = count - 1;
  if (others < LEAST_OTHERS) return 0;
  let density = at(spread, bin);
  let left = 1;
  for (let off = 0; off < BINS && left > 0; off++) {
    const [low, high] = [at(counts, bin - off), off > 0 ? at(counts, bin + off) : 0];
    if (low + high === 0) continue;
    const part = Math.min(1, left / (low + high));
    density -= part * low * normalKernel(off, at(widths, bin - off));
    if (high > 0) density -= part * high * normalKernel(off, at(widths, bin + off));
    left -= part * (low + high);
  }
  return Math.max(0, density) / others;
}

/**
 * Samples that are spread reach below the lowest one. But of n samples and the next one, each is as likely to be the lowest: it is the
 * next one with a probability of 1/(n+1). What is known says something of that too, and weighs as many samples as its odds are.
 */
function boundedBelow(
  mass: Float64Array,
  known: Distribution,
  counts: Float64Array,
  count: number,
  share: number,
): Float64Array {
  let lower = 0;
  let lowest = 0;
  while (lowest < BINS - 1 && lower + at(counts, lowest) < Math.min(0.5, count / 2)) {
    lower += at(counts, lowest);
    lowest++;
  }
  const below = sum(mass.subarray(0, lowest));
  const weight = share / (1 - share);
  const bound =
    (weight * (1 - at(known.survival, lowest)) + (count * (lower + 1)) / (count + 1)) / (weight + count);
  if (!(below > bound)) return mass;
  return mass.map((one, bin) => one * (bin < lowest ? bound / below : (1 - bound) / (1 - below)));
}
