import { rateMicros } from '../tasks/money.ts';
import type { Price, Rate, UpstreamUsage } from '../tasks/task.ts';
import type { Model, RateSpec } from './model.ts';
import { type KindOf, kindOf } from './references.ts';
import { shapesOf, sizeText } from './sizes.ts';
import { type Asked, type UpstreamParameters, upstreamParameters } from './upstream.ts';

/** What is paid for: the parameters that are sent, and the images that are sent with them. */
type Paid = Asked & {
  readonly image?: unknown;
  readonly lastFrame?: unknown;
  readonly references?: readonly PaidReference[];
  readonly autoDuration?: true;
};

/** A reference whose duration may not be measured yet. */
type PaidReference = KindOf & { readonly input?: object };

/** The line of the price table that applies at a service; undefined if there is none, or the service is not known. */
export const lineAt = (
  model: Model,
  sent: UpstreamParameters,
  service?: string,
  withVideo = false,
): RateSpec | undefined =>
  model.price.rates.find(
    (line) =>
      (line.service === undefined || line.service === service) &&
      (line.withVideo === undefined || line.withVideo === withVideo) &&
      (line.resolution === undefined || line.resolution === sent.resolution) &&
      (line.size === undefined || line.size === sizeText(sent)) &&
      (line.generateAudio === undefined || line.generateAudio === (sent.generateAudio ?? false)),
  );

function rateAt(
  model: Model,
  sent: UpstreamParameters,
  paid: Paid,
  service?: string,
  { tokens, inputSeconds }: UpstreamUsage = {},
): Rate | undefined {
  const line = lineAt(model, sent, service, clipsOf(paid).length > 0);
  if (!line) return undefined;
  const { microsPerSecond, microsPerToken } = line;
  const images = imagesMicros(model, paid);
  // A finished video costs tokens, so that another number is no report of its bill.
  if (tokens !== undefined && tokens > 0 && microsPerToken !== undefined)
    return { microsPerSecond: 0, microsPerVideo: images + Math.ceil(tokens * microsPerToken) };
  const billed =
    model.price.videos && inputSeconds !== undefined && inputSeconds >= 0 ? inputSeconds : undefined;
  const inputMicros = images + Math.ceil((billed ?? videoSeconds(model, paid, sent)) * microsPerSecond);
  const microsPerVideo = (line.microsPerVideo ?? 0) + inputMicros;
  return { microsPerSecond, ...(microsPerVideo === 0 ? {} : { microsPerVideo }) };
}

function imagesMicros({ price: { images } }: Model, { image, lastFrame, references = [] }: Paid): number {
  if (!images) return 0;
  const frames = [image, lastFrame].filter((frame) => frame !== undefined).length;
  const count = frames + references.filter(({ type }) => type === 'image').length;
  return Math.max(0, count - images.free) * images.microsEach;
}

const clipsOf = ({ references = [] }: Paid): readonly PaidReference[] =>
  references.filter(({ type }) => type === 'video');

/** The seconds of reference videos that are billed. Before they are measured: as many as there can be. */
function videoSeconds(model: Model, paid: Paid, sent: UpstreamParameters): number {
  const { videos } = model.price;
  const clips = clipsOf(paid);
  if (!videos || clips.length === 0) return 0;
  const given = secondsTogether(model, clips);
  const least = Math.ceil(sent.duration * (videos.leastOfResult ?? 0));
  return Math.max(least, Math.min(given, videos.most ?? Number.POSITIVE_INFINITY));
}

/** The measured seconds of videos, or else the most that the model takes. `contradictions` refuses an entry that bills videos of any length. */
function secondsTogether(model: Model, clips: readonly PaidReference[]): number {
  const { references: spec } = model.parameters;
  const known = clips.map(({ input }) => (input && 'duration' in input ? Number(input.duration) : undefined));
  const sum = clips.reduce(
    (seconds, clip, index) => seconds + (known[index] ?? kindOf(spec, clip)?.limits?.maxSeconds ?? 0),
    0,
  );
  if (!known.includes(undefined)) return sum;
  const totals = (spec?.takes ?? []).flatMap(({ type, limits }) =>
    type === 'video' ? (limits?.totalSeconds ?? []) : [],
  );
  return Math.min(sum, ...totals);
}

/** The measured format of a finished video. */
export interface Delivered {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
  readonly seconds?: number;
  /** What the upstream reports of its bill: it knows which videos it fetched, and it is never charged beyond the hold. */
  readonly usage?: UpstreamUsage | undefined;
}

/**
 * The rate of a finished video at the service that made it: that of the requested format, or of the delivered one if it has no audio
 * although it was requested, or is a smaller size of the model. Undefined if the catalogue has no rate for it.
 */
export function deliveredRate(
  model: Model,
  paid: Paid,
  { width, height, audio, seconds = paid.duration, usage }: Delivered,
  service?: string,
): Rate | undefined {
  const asked = upstreamParameters(model, paid);
  const sent = paid.autoDuration
    ? { ...asked, duration: Math.min(asked.duration, Math.ceil(seconds)) }
    : asked;
  const isSilent = sent.generateAudio === true && !audio;
  const isSmaller = width * height < sent.width * sent.height;
  const smaller = isSmaller
    ? shapesOf(model).find((shape) => shape.width === width && shape.height === height)
    : undefined;
  const format = { ...sent, ...smaller, ...(isSilent ? { generateAudio: false } : {}) };
  return rateAt(model, format, paid, service, usage) ?? rateAt(model, sent, paid, service, usage);
}

/**
 * The price to store with a task: the highest one of the services that may serve it. The hold covers the longer of the requested and
 * the upstream duration, so that a rounded duration never costs more than was held.
 */
export function priceOf(model: Model, paid: Paid, services: readonly (string | undefined)[]): Price {
  const sent = upstreamParameters(model, paid);
  const seconds = Math.max(paid.duration, sent.duration);
  const rates = services.map((service) => {
    const rate = rateAt(model, sent, paid, service);
    // `contradictions` refuses a catalogue with such a gap, so a video is never free by mistake.
    if (!rate)
      throw new Error(`${model.id} has no price for ${sizeText(sent)} ${sent.resolution} at ${service}`);
    return rate;
  });
  const price = rates.map((rate) => ({
    currency: model.price.currency,
    ...rate,
    holdMicros: rateMicros(rate, seconds),
  }));
  return price.reduce((highest, other) => (other.holdMicros > highest.holdMicros ? other : highest));
}

/** Whether all videos of the model are free. */
export const isFree = (model: Model): boolean =>
  model.price.rates.every((rate) => rate.microsPerSecond === 0);
