import type { Price, Rate } from './task.ts';

/** Micro-units of a currency: 1,000,000 is one dollar. Amounts are integers, so sums are exact. */
export const MICROS = 1_000_000;

/**
 * The seconds to charge for. Upstreams bill the requested seconds and deliver a few frames more or fewer, so a video up to a
 * quarter of a second too short counts as complete. A shorter video costs less; a longer one does not cost more.
 */
export function billableSeconds(requested: number, delivered: number): number {
  return Math.min(requested, Math.max(0, Math.ceil(delivered - 0.25)));
}

/** The cost of `seconds` at this rate. */
export const rateMicros = ({ microsPerSecond, microsPerVideo = 0 }: Rate, seconds: number): number =>
  microsPerVideo + Math.round(microsPerSecond * seconds);

/**
 * The cost of `seconds` of a video that was delivered at `rate`: never more than at the price frozen on the task, or than its hold, and never less
 * than nothing.
 */
export function costMicros(price: Price, seconds: number, rate: Rate = price): number {
  return Math.max(0, Math.min(price.holdMicros, rateMicros(price, seconds), rateMicros(rate, seconds)));
}

/** An amount for people, such as `1.25 USD`. */
export const amountText = (micros: number, currency: string): string => `${micros / MICROS} ${currency}`;
