import type { Price } from './task.ts';

/** Micro-units of a currency: 1,000,000 is one dollar. Integers, so that sums never drift. */
export const MICROS = 1_000_000;

/**
 * Seconds to charge for. Upstreams bill the seconds asked for and deliver a few frames more or fewer, so a
 * quarter of a second short still counts as whole; a video that is really shorter costs less, a longer one no more.
 */
export function billableSeconds(requested: number, delivered: number): number {
  return Math.min(requested, Math.max(0, Math.ceil(delivered - 0.25)));
}

/** What `seconds` cost at the price frozen on the task; never more than was held. */
export function costMicros(price: Price, seconds: number): number {
  return Math.min(price.holdMicros, Math.round(price.microsPerSecond * seconds));
}
