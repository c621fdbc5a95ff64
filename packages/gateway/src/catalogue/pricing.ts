import type { Price } from '../tasks/task.ts';
import type { Model } from './model.ts';
import { shapesOf, sizeText } from './sizes.ts';
import type { UpstreamParameters } from './upstream.ts';

/** Micro-units of the model's currency for one second of this video, or undefined where the catalogue has no price for it. */
export function microsPerSecond(model: Model, sent: UpstreamParameters): number | undefined {
  const size = sizeText(sent);
  return model.price.rates.find(
    (rate) =>
      (rate.resolution === undefined || rate.resolution === sent.resolution) &&
      (rate.size === undefined || rate.size === size) &&
      (rate.generateAudio === undefined || rate.generateAudio === (sent.generateAudio ?? false)),
  )?.microsPerSecond;
}

/** What was made of a request, as it measures. */
export interface Delivered {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
}

/**
 * The same for what was delivered, where that lacks the sound, or is one of the model's smaller sizes; undefined where it is what
 * was sent for, or something that the catalogue has no price for.
 */
export function deliveredRate(
  model: Model,
  sent: UpstreamParameters,
  { width, height, audio }: Delivered,
): number | undefined {
  const isSilent = sent.generateAudio === true && !audio;
  const isSmaller = width * height < sent.width * sent.height;
  const smaller = isSmaller
    ? shapesOf(model).find((shape) => shape.width === width && shape.height === height)
    : undefined;
  if (!isSilent && !smaller) return undefined;
  return microsPerSecond(model, { ...sent, ...smaller, ...(isSilent ? { generateAudio: false } : {}) });
}

/**
 * The price to freeze on a task. The hold is for the longer of what was asked for and what is sent, so that no
 * rounding can cost more than was held.
 */
export function priceOf(model: Model, askedSeconds: number, sent: UpstreamParameters): Price {
  const micros = microsPerSecond(model, sent);
  // The catalogue is refused with such a gap, so a video is never made for nothing by mistake.
  if (micros === undefined)
    throw new Error(`${model.id} has no price for ${sizeText(sent)} ${sent.resolution}`);
  return {
    currency: model.price.currency,
    microsPerSecond: micros,
    holdMicros: micros * Math.max(askedSeconds, sent.duration),
  };
}

/** Whether every video of the model costs nothing. */
export const isFree = (model: Model): boolean =>
  model.price.rates.every((rate) => rate.microsPerSecond === 0);
