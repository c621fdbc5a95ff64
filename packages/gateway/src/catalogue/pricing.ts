import type { Price } from '../tasks/task.ts';
import type { Model } from './model.ts';
import { shapesOf, sizeText } from './sizes.ts';
import type { UpstreamParameters } from './upstream.ts';

/** The price per second in micro-units of the model's currency; undefined if the catalogue has none for these parameters. */
export function microsPerSecond(model: Model, sent: UpstreamParameters): number | undefined {
  const size = sizeText(sent);
  return model.price.rates.find(
    (rate) =>
      (rate.resolution === undefined || rate.resolution === sent.resolution) &&
      (rate.size === undefined || rate.size === size) &&
      (rate.generateAudio === undefined || rate.generateAudio === (sent.generateAudio ?? false)),
  )?.microsPerSecond;
}

/** The measured format of a finished video. */
export interface Delivered {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
}

/**
 * The price per second of the delivered format, if it has no audio although it was requested, or if it is a smaller size of the
 * model. Undefined if the format is as requested, or if the catalogue has no price for it.
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
 * The price to store with a task. The hold covers the longer of the requested and the upstream duration, so that a rounded
 * duration never costs more than was held.
 */
export function priceOf(model: Model, askedSeconds: number, sent: UpstreamParameters): Price {
  const micros = microsPerSecond(model, sent);
  // `contradictions` refuses a catalogue with such a gap, so a video is never free by mistake.
  if (micros === undefined)
    throw new Error(`${model.id} has no price for ${sizeText(sent)} ${sent.resolution}`);
  return {
    currency: model.price.currency,
    microsPerSecond: micros,
    holdMicros: micros * Math.max(askedSeconds, sent.duration),
  };
}

/** Whether all videos of the model are free. */
export const isFree = (model: Model): boolean =>
  model.price.rates.every((rate) => rate.microsPerSecond === 0);
