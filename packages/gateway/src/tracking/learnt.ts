import { addInterval, at, BINS, binOf, edgeMs, sum, widthMs } from './bins.ts';

/** What one finished job shows of how long its kind takes. Ages and durations in milliseconds; ages count from the submit. */
export interface Sample {
  readonly outcome: 'succeeded' | 'failed';
  /** The job ended between these ages: not done at `fromMs`, done at `toMs`. Both the same if the upstream tells the time. */
  readonly total: { readonly fromMs: number; readonly toMs: number };
  /** `outlasted` has told of the job up to this age. Default: of none of it. */
  readonly countedMs?: number | undefined;
  /** From submit to start, where the upstream tells. */
  readonly queueMs?: number | undefined;
  /** From start to end, where the upstream tells. */
  readonly renderMs?: number | undefined;
  /** Percentages that the upstream reported, each with the age at which it was first seen. */
  readonly progress?: readonly { readonly percent: number; readonly ageMs: number }[] | undefined;
  /** Places in the upstream's queue, each with the age at which it was first seen. */
  readonly queue?: readonly { readonly position: number; readonly ageMs: number }[] | undefined;
}

/** A part of a job's life at whose end it has not ended. Ages in milliseconds since the submit. */
export interface Outlasted {
  readonly fromMs: number;
  readonly toMs: number;
  /** The age at which it started, where the upstream tells. */
  readonly startedMs?: number | undefined;
}

/** What has been learnt of a kind: decayed counts of its samples, all in one array. */
export interface Learnt {
  /** The wall clock to which the counts have decayed. Milliseconds UTC. */
  atMs: number;
  readonly counts: Float64Array;
}

/** How far each histogram of durations is from the start of the array. */
const HISTOGRAMS = { succeeded: 0, failed: BINS, queue: 2 * BINS, render: 3 * BINS } as const;
export type Histogram = keyof typeof HISTOGRAMS;
/** Progress is judged apart in bands of ten percent: the early percentages of many upstreams mean little. */
export const BANDS = 10;
/** Three numbers a band and three for places in the queue: count, sum and sum of squares of logarithms. */
const PROGRESS = 4 * BINS;
const POSITION = PROGRESS + 3 * BANDS;
/** How many jobs have lasted beyond each bin, in parts of a bin for those that are still in it: of the jobs that succeed, and others. */
const OUTLASTED = { succeeded: POSITION + 3, render: POSITION + 3 + BINS } as const;
const SIZE = OUTLASTED.render + BINS;
/** What was stored before `OUTLASTED` was counted. */
const OLD_SIZE = OUTLASTED.succeeded;

/**
 * A sample weighs 1/200 less with each one after it. More memory would smooth the histogram by 1%, but follow an upstream that changes over
 * the day later: at 2000 jobs a day, delays are 1.13 × the optimum with this one and 1.24 × with 500 (`npm run bench:polling`, drifting).
 */
const FORGET = 1 - 1 / 200;
/** A sample weighs half after this time: upstreams are slower at some times of the day. */
const HALF_LIFE_MS = 6 * 3600 * 1000;
/** Time alone does not take the count of samples below this one: old samples say more than the catalogue. */
const KEPT = 30;

export const nothingLearnt = (atMs: number): Learnt => ({ atMs, counts: new Float64Array(SIZE) });

/** The counts of one histogram. Not a copy. */
export const histogram = ({ counts }: Learnt, name: Histogram): Float64Array =>
  counts.subarray(HISTOGRAMS[name], HISTOGRAMS[name] + BINS);

/** How many jobs have lasted beyond each bin of a histogram. Not a copy. */
export const outlastedBy = ({ counts }: Learnt, name: keyof typeof OUTLASTED): Float64Array =>
  counts.subarray(OUTLASTED[name], OUTLASTED[name] + BINS);

/** Count, sum and sum of squares of the logarithms of actual by predicted render time, in a band of percentages. */
export function progressErrors({ counts }: Learnt, band: number): [number, number, number] {
  const first = PROGRESS + 3 * band;
  return [at(counts, first), at(counts, first + 1), at(counts, first + 2)];
}

/** Count, sum and sum of squares of the logarithms of the milliseconds that a place in the queue took. */
export const placeTimes = ({ counts }: Learnt): [number, number, number] => [
  at(counts, POSITION),
  at(counts, POSITION + 1),
  at(counts, POSITION + 2),
];

export const bandOf = (percent: number): number => Math.min(BANDS - 1, Math.floor(percent / (100 / BANDS)));

/** How many samples count, after their decay. */
export const samplesOf = (learnt: Learnt): number =>
  sum(histogram(learnt, 'succeeded')) + sum(histogram(learnt, 'failed'));

/** `expected` is how likely each bin of submit to end was thought before, for this outcome. */
export function addSample(learnt: Learnt, sample: Sample, atMs: number, expected: Float64Array): void {
  decay(learnt, atMs, FORGET);
  const { counts } = learnt;
  const toMs = Math.max(0, sample.total.toMs);
  const fromMs = Math.max(0, Math.min(sample.total.fromMs, toMs));
  const ended = new Float64Array(BINS);
  addInterval(ended, fromMs, toMs, expected);
  addTo(histogram(learnt, sample.outcome), ended);
  if (sample.outcome === 'succeeded') addEnd(outlastedBy(learnt, 'succeeded'), ended, sample.countedMs ?? 0);
  if (sample.queueMs !== undefined) count(counts, HISTOGRAMS.queue + binOf(sample.queueMs), 1);
  if (sample.renderMs !== undefined && sample.outcome === 'succeeded') {
    const rendered = new Float64Array(BINS);
    rendered[binOf(sample.renderMs)] = 1;
    addTo(histogram(learnt, 'render'), rendered);
    const startedMs = Math.max(0, toMs - sample.renderMs);
    addEnd(outlastedBy(learnt, 'render'), rendered, Math.max(0, (sample.countedMs ?? 0) - startedMs));
  }
  addProgress(counts, sample);
  for (const { position, ageMs } of sample.queue ?? [])
    if (position > 0 && sample.queueMs !== undefined && sample.queueMs > ageMs)
      addLogarithm(counts, POSITION, Math.log((sample.queueMs - ageMs) / position));
}

/**
 * Jobs that have not ended are samples too: without them, of a thousand jobs that are submitted together the first to end would say that
 * all end so soon.
 */
export function addOutlasted(learnt: Learnt, { fromMs, toMs, startedMs }: Outlasted): void {
  addSpan(outlastedBy(learnt, 'succeeded'), fromMs, toMs);
  if (startedMs !== undefined)
    addSpan(outlastedBy(learnt, 'render'), Math.max(0, fromMs - startedMs), toMs - startedMs);
}

function addSpan(outlasted: Float64Array, fromMs: number, toMs: number): void {
  for (let bin = binOf(fromMs); bin < BINS && edgeMs(bin) < toMs; bin++) {
    const part = (Math.min(toMs, edgeMs(bin + 1)) - Math.max(fromMs, edgeMs(bin))) / widthMs(bin);
    count(outlasted, bin, Math.max(0, part));
  }
}

/** A job that has ended lasted beyond the bins before its end, and not for a part of the bin of its end. It was counted up to `countedMs`. */
function addEnd(outlasted: Float64Array, ended: Float64Array, countedMs: number): void {
  const told = new Float64Array(BINS);
  addSpan(told, 0, countedMs);
  let left = sum(ended);
  for (let bin = 0; bin < BINS; bin++) {
    left -= at(ended, bin);
    count(outlasted, bin, left - at(told, bin));
  }
}

function addProgress(counts: Float64Array, { outcome, total, queueMs, renderMs, progress }: Sample): void {
  if (outcome !== 'succeeded') return;
  const startedAgeMs = renderMs === undefined ? 0 : (queueMs ?? Math.max(0, total.toMs - renderMs));
  const tookMs = renderMs ?? (total.fromMs + total.toMs) / 2;
  for (const { percent, ageMs } of progress ?? []) {
    const predictedMs = ((ageMs - startedAgeMs) * 100) / percent;
    if (percent > 0 && percent < 100 && predictedMs > 0 && tookMs > 0)
      addLogarithm(counts, PROGRESS + 3 * bandOf(percent), Math.log(tookMs / predictedMs));
  }
}

function addLogarithm(counts: Float64Array, first: number, value: number): void {
  count(counts, first, 1);
  count(counts, first + 1, value);
  count(counts, first + 2, value * value);
}

function addTo(counts: Float64Array, others: Float64Array): void {
  for (let i = 0; i < others.length; i++) counts[i] = at(counts, i) + at(others, i);
}

function count(counts: Float64Array, index: number, by: number): void {
  counts[index] = at(counts, index) + by;
}

/** Lets the counts fade to `atMs`, and by `factor` in any case. */
function decay(learnt: Learnt, atMs: number, factor = 1): void {
  const elapsedMs = Math.max(0, atMs - learnt.atMs);
  const samples = samplesOf(learnt);
  const faded = 2 ** (-elapsedMs / HALF_LIFE_MS);
  const scale = factor * (samples > 0 ? Math.max(faded, Math.min(1, KEPT / samples)) : 1);
  for (let i = 0; i < SIZE; i++) learnt.counts[i] = at(learnt.counts, i) * scale;
  learnt.atMs = Math.max(learnt.atMs, atMs);
}

/** Both together. `later` was learnt after `earlier` or elsewhere at the same time: the earlier samples fade as if its samples had followed. */
export function merged(earlier: Learnt, later: Learnt): Learnt {
  const both = copyOf(earlier);
  const other = copyOf(later);
  const atMs = Math.max(earlier.atMs, later.atMs);
  decay(both, atMs, FORGET ** samplesOf(later));
  decay(other, atMs);
  return add(both, other);
}

/** Adds the counts of another kind, without decay. */
export function add(learnt: Learnt, other: Learnt): Learnt {
  addTo(learnt.counts, other.counts);
  return learnt;
}

const copyOf = ({ atMs, counts }: Learnt): Learnt => ({ atMs, counts: counts.slice() });

/** The version of the format. A change of the bins is another format. */
const VERSION = 1;

/** No sum of 200 samples and their squares comes near it, and no number of jobs in flight. */
const LARGEST = 1e9;

/** Compact JSON: the counts above zero, each after its index. */
export function toJson({ atMs, counts }: Learnt): string {
  const pairs: number[] = [];
  for (let i = 0; i < SIZE; i++) {
    const value = Number(at(counts, i).toPrecision(4));
    if (Math.abs(value) >= 1e-4) pairs.push(i, value);
  }
  return JSON.stringify({ version: VERSION, at: atMs, size: SIZE, counts: pairs });
}

/** `undefined` if it was written in another format, or damaged: then the kind is learnt anew. */
export function fromJson(json: string): Learnt | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { version, at: atMs, size, counts } = (parsed ?? {}) as Record<string, unknown>;
  if (
    version !== VERSION ||
    !(size === SIZE || size === OLD_SIZE) ||
    typeof atMs !== 'number' ||
    !Array.isArray(counts)
  )
    return undefined;
  const learnt = nothingLearnt(atMs);
  for (let i = 0; i + 1 < counts.length; i += 2) {
    const [index, value] = [counts[i], counts[i + 1]];
    if (!Number.isInteger(index) || index < 0 || index >= size || !(Math.abs(value) <= LARGEST))
      return undefined;
    learnt.counts[index] = value;
  }
  if (size === OLD_SIZE)
    for (const name of ['succeeded', 'render'] as const)
      addEnd(outlastedBy(learnt, name), histogram(learnt, name), 0);
  return learnt;
}
