/**
 * Durations are counted in bins whose edges grow by a constant ratio: a second matters to a task of ten seconds and not to one of an
 * hour. The first bin begins at zero, the last one holds whatever is longer than a day.
 */
const FIRST_EDGE_MS = 250;
/** 1.09 makes eight bins of the standard deviation of a typical model (p90 = 2.4 × median), and 150 bins up to a day. */
const RATIO = 1.09;
const LAST_EDGE_MS = 24 * 3600 * 1000;
const LOG_RATIO = Math.log(RATIO);
/** How many bins a factor of e takes. */
export const BINS_PER_LOG = 1 / LOG_RATIO;

export const BINS = 1 + Math.ceil(Math.log(LAST_EDGE_MS / FIRST_EDGE_MS) / LOG_RATIO);

/** Bin `i` covers the milliseconds from `EDGES[i]` to `EDGES[i + 1]`. */
export const EDGES: Float64Array = Float64Array.from({ length: BINS + 1 }, (_, edge) =>
  edge === 0 ? 0 : FIRST_EDGE_MS * RATIO ** (edge - 1),
);

export const edgeMs = (edge: number): number => EDGES[edge] ?? Number.POSITIVE_INFINITY;

export const widthMs = (bin: number): number => edgeMs(bin + 1) - edgeMs(bin);

/** A duration that stands for the whole bin: its middle on the logarithmic scale. */
export const middleMs = (bin: number): number =>
  bin === 0 ? FIRST_EDGE_MS / 2 : edgeMs(bin) * Math.sqrt(RATIO);

/** The logarithms of the milliseconds of `middleMs`. */
export const LOG_MIDDLES: Float64Array = Float64Array.from({ length: BINS }, (_, bin) =>
  Math.log(middleMs(bin)),
);

export function binOf(ms: number): number {
  if (ms < FIRST_EDGE_MS) return 0;
  return Math.min(BINS - 1, 1 + Math.floor(Math.log(ms / FIRST_EDGE_MS) / LOG_RATIO));
}

/**
 * Counts a duration that is only known to be between two times, in parts that go with how likely each bin was before: `mass` is the
 * probability of each. So wide intervals do not flatten the histogram.
 */
export function addInterval(counts: Float64Array, fromMs: number, toMs: number, mass: Float64Array): void {
  const first = binOf(fromMs);
  const last = binOf(toMs);
  const likely = (bin: number): number => {
    // What is longer than a day is counted in the last bin.
    const end = bin === last ? Math.min(toMs, edgeMs(bin + 1)) : edgeMs(bin + 1);
    return (at(mass, bin) * Math.max(0, end - Math.max(fromMs, edgeMs(bin)))) / widthMs(bin);
  };
  let total = 0;
  for (let bin = first; bin <= last; bin++) total += likely(bin);
  if (first === last || !(total > 0)) {
    counts[last] = at(counts, last) + 1;
    return;
  }
  for (let bin = first; bin <= last; bin++) counts[bin] = at(counts, bin) + likely(bin) / total;
}

/** An element of an array of numbers; 0 outside it. */
export const at = (values: Float64Array, index: number): number => values[index] ?? 0;

export function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += at(values, i);
  return total;
}

/** Spreads each count over its neighbours by a normal curve, with a standard deviation of so many bins. The sum stays the same. */
export function smooth(counts: Float64Array, bandwidth: (bin: number) => number): Float64Array {
  const smoothed = new Float64Array(counts.length);
  const last = counts.length - 1;
  let width = 0;
  let curve: Float64Array = new Float64Array(0);
  for (let bin = 0; bin <= last; bin++) {
    const count = at(counts, bin);
    if (count === 0) continue;
    if (bandwidth(bin) !== width) {
      width = bandwidth(bin);
      curve = normalCurve(width);
    }
    smoothed[bin] = at(smoothed, bin) + count * at(curve, 0);
    for (let off = 1; off < curve.length; off++) {
      const part = count * at(curve, off);
      // What would leave at an end stays in the outermost bin.
      const [below, above] = [Math.max(0, bin - off), Math.min(last, bin + off)];
      smoothed[below] = at(smoothed, below) + part;
      smoothed[above] = at(smoothed, above) + part;
    }
  }
  return smoothed;
}

/** One half of a normal curve whose whole has the sum of one: at each distance from its middle, in bins. */
function normalCurve(width: number): Float64Array {
  const curve = new Float64Array(1 + Math.ceil(3 * width));
  for (let off = 0; off < curve.length; off++) curve[off] = normalKernel(off, width);
  const total = 2 * sum(curve) - at(curve, 0);
  for (let off = 0; off < curve.length; off++) curve[off] = at(curve, off) / total;
  return curve;
}

/** Density of a normal distribution around zero. */
export const normalKernel = (off: number, width: number): number =>
  Math.exp(-0.5 * (off / width) ** 2) / (width * Math.sqrt(2 * Math.PI));
