import { invalidRequest } from '../tasks/errors.ts';
import type { Reference, VideoRequest } from '../tasks/request.ts';
import type { Model, ReferenceFormat, ReferenceKindSpec } from './model.ts';
import { priceOf } from './pricing.ts';
import { type KindOf, kindOf, kindText, megabytes, span } from './references.ts';
import type { CheckedRequest, DraftRequest, ModelLookup } from './validate/request.ts';
import { list } from './words.ts';

/** A request and its price once its references are measured. */
export interface MeasuredRequest extends Pick<CheckedRequest, 'price'> {
  readonly request: VideoRequest;
}

/**
 * Checks the measured references of a request against the limits of the model, adds the duration that one of them sets, and prices it. Throws a
 * 400 that names the reference, what is demanded and what to do.
 *
 * `hasLinks`: the gateway can give links to them to the upstream. Without, the upstream fetches them from the caller's URL, where there may be
 * a longer video than was measured; so the longest is held.
 */
export function checkMeasuredReferences(
  { model, draft, price }: CheckedRequest,
  request: VideoRequest,
  models: ModelLookup,
  hasLinks: boolean,
): MeasuredRequest {
  const { references } = request;
  if (!references) return { request, price };
  for (const [index, reference] of references.entries()) {
    const kind = kindOf(model.parameters.references, reference);
    if (kind) checkOne(model, kind, reference, fieldOf(draft, index), hasLinks);
  }
  checkTotals(model, references, fieldOf(draft, 0).replace(/\[0\]$/, ''));
  const isKnown = ({ input }: Reference) => hasLinks || input.sourceUrl === undefined;
  const sized = { ...request, ...durationSet(model, references, isKnown) };
  const paid = { ...sized, references: references.map((one) => (isKnown(one) ? one : unmeasured(one))) };
  return { request: sized, price: priceOf(model, paid, models.pricedAt(model)) };
}

/** Priced as the longest of its kind. */
const unmeasured = ({ input: _, ...kind }: Reference): KindOf => kind;

/** The duration of the video if a reference sets it. The upstream is not told one, because it measures the reference itself. */
function durationSet(
  model: Model,
  references: readonly Reference[],
  isKnown: (reference: Reference) => boolean,
): Pick<VideoRequest, 'duration' | 'autoDuration'> | undefined {
  const { duration, references: spec } = model.parameters;
  const setter = references.find((one) => kindOf(spec, one)?.setsDuration);
  if (!setter || setter.type === 'image') return undefined;
  const longest = duration.kind === 'range' ? duration.max : Math.max(...duration.allowed);
  const most = kindOf(spec, setter)?.limits?.maxSeconds ?? longest;
  const seconds = isKnown(setter) ? setter.input.duration : most;
  return { duration: Math.min(Math.ceil(seconds), longest), autoDuration: true };
}

/** What the caller called a reference. */
const fieldOf = ({ references = [] }: DraftRequest, index: number): string =>
  references[index]?.field ?? `references[${index}]`;

const FORMATS: Readonly<Record<string, ReferenceFormat>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/webp': 'webp',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'audio/wav': 'wav',
  'audio/mpeg': 'mp3',
};

function checkOne(
  model: Model,
  kind: ReferenceKindSpec,
  reference: Reference,
  field: string,
  hasLinks: boolean,
): void {
  const { limits = {} } = kind;
  const { input } = reference;
  const demand = (what: string, found: string): never => {
    throw invalidRequest(
      `${field}: ${model.id} takes ${kindText(reference, 2)} ${what}; this one has ${found}.`,
      field,
    );
  };
  const format = FORMATS[input.contentType];
  if (limits.formats && (format === undefined || !limits.formats.includes(format))) {
    demand(`only as ${list(limits.formats, 'or')}`, `${format ?? input.contentType}`);
  }
  if (limits.maxBytes !== undefined && input.bytes > limits.maxBytes) {
    demand(`of up to ${megabytes(limits.maxBytes)}`, megabytes(input.bytes));
  }
  for (const { value, min, max, unit, tolerance = 0 } of measuresOf(reference, limits)) {
    if (value >= (min ?? value) - tolerance && value <= (max ?? value) + tolerance) continue;
    demand(`of ${span(min, max, unit)}`, `${Math.round(value * 100) / 100}${unit}`);
  }
  if (limits.by === 'url' && input.sourceUrl === undefined && !hasLinks) {
    throw invalidRequest(
      `${field}: ${model.title} fetches ${kindText(reference, 2)} itself; give a public url of it. (With ONETAKE_PUBLIC_URL set, the gateway would give out links to what it stores.)`,
      field,
    );
  }
}

interface Measure {
  readonly value: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly unit: string;
  readonly tolerance?: number;
}

type Limits = NonNullable<ReferenceKindSpec['limits']>;

/** Containers and codecs round by less than this. */
const SECONDS_TOLERANCE = 0.05;
/** 23.976 frames a second count as 24. */
const FPS_TOLERANCE = 0.05;

function measuresOf(reference: Reference, limits: Limits): Measure[] {
  const measures: Measure[] = [];
  if (reference.type !== 'audio') {
    const { width, height } = reference.input;
    const sides = { min: limits.minSide, max: limits.maxSide, unit: ' pixels a side' };
    measures.push(
      { value: width, ...sides },
      { value: height, ...sides },
      { value: width / height, min: limits.minRatio, max: limits.maxRatio, unit: ' times as wide as high' },
      { value: width * height, min: limits.minPixels, max: limits.maxPixels, unit: ' pixels' },
    );
  }
  if (reference.type === 'video') {
    const { fps } = reference.input;
    const { minFps: min, maxFps: max } = limits;
    measures.push({ value: fps, min, max, unit: ' frames a second', tolerance: FPS_TOLERANCE });
  }
  if (reference.type !== 'image') {
    const { duration } = reference.input;
    const { minSeconds: min, maxSeconds: max } = limits;
    measures.push({ value: duration, min, max, unit: ' s', tolerance: SECONDS_TOLERANCE });
  }
  return measures;
}

function checkTotals(model: Model, references: readonly Reference[], field: string): void {
  const spec = model.parameters.references;
  for (const { type, limits } of spec?.takes ?? []) {
    const totalSeconds = limits?.totalSeconds;
    if (totalSeconds === undefined) continue;
    const seconds = references.reduce(
      (sum, one) => (one.type === type && one.type !== 'image' ? sum + one.input.duration : sum),
      0,
    );
    if (seconds <= totalSeconds + SECONDS_TOLERANCE) continue;
    throw invalidRequest(
      `${field}: ${model.id} takes ${kindText({ type }, 2)} of up to ${totalSeconds} s together; these have ${Math.round(seconds * 10) / 10} s.`,
      field,
    );
  }
}
