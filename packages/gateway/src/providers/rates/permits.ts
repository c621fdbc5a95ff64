import { type MonotonicClock, msBetween } from '../../time/clock.ts';

/** A rate of calls that an upstream allows an account. */
export interface Rate {
  readonly perSecond: number;
  /** How many calls may go at once after a pause. Further calls are spaced evenly. */
  readonly burst: number;
}

/** Permits to call an upstream within its rate. */
export interface Permits {
  /**
   * Milliseconds until `n` permits (one by default) can be taken: 0 if they can be taken now, infinity while that is not known.
   * Asking registers the demand.
   */
  readyIn(n?: number): number;
  /** Takes permits of which `readyIn` has just said that they can be taken now. */
  take(n?: number): void;
  /**
   * Calls `listener` when permits may be ready earlier than `readyIn` said, and when it is known that they are not. Returns a function
   * that unsubscribes.
   */
  onReady(listener: () => void): () => void;
}

/**
 * Opens the permits of a rate that belongs to an account. All nodes together keep the rate. `kind` names it among the account's rates.
 * `wanted` returns how many calls could go now, so that a node reserves no more than it can use.
 */
export type OpenPermits = (kind: string, rate: Rate, wanted: () => number) => Permits;

/** The permits of a rate that only this process uses. */
export function createLocalPermits({ perSecond, burst }: Rate, clock: MonotonicClock): Permits {
  const start = clock.monotonic();
  const every = 1000 / perSecond;
  // Saved permits are counted as time: the further this lies in the past, the more are saved.
  let nextAt = Number.NEGATIVE_INFINITY;
  const now = (): number => msBetween(start, clock.monotonic());
  const earliest = (): number => Math.max(nextAt, now() - (Math.max(1, burst) - 1) * every);

  return {
    readyIn: (n = 1) => Math.max(0, earliest() + (n - 1) * every - now()),
    take(n = 1) {
      nextAt = earliest() + n * every;
    },
    // `readyIn` is exact.
    onReady: () => () => undefined,
  };
}

/** Opens permits for a single node. */
export const localPermits =
  (clock: MonotonicClock): OpenPermits =>
  (_kind, rate) =>
    createLocalPermits(rate, clock);
