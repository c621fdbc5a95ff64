/**
 * The wall clock in milliseconds UTC, injectable for tests. Only for times that are shown or stored. It can be set at any moment, so
 * it must not be used to measure durations.
 */
export interface Clock {
  now(): number;
}

declare const MOMENT: unique symbol;

/**
 * A moment on this process's monotonic clock, which cannot be set and never goes back. It is a number at run time but opaque to the
 * compiler: moments can be compared with each other (`<`, `>=`), while subtracting them or comparing them with wall clock times does
 * not compile. It is meaningless in another process, so it is never stored.
 */
export interface Moment {
  readonly [MOMENT]: true;
}

/** Measures durations. */
export interface MonotonicClock {
  monotonic(): Moment;
}

/** The moment at which a monotonic clock shows `ms` milliseconds. */
export const momentAt = (ms: number): Moment => ms as unknown as Moment;

const msOf = (moment: Moment): number => moment as unknown as number;

/** The moment `ms` milliseconds after `moment`. */
export const later = (moment: Moment, ms: number): Moment => momentAt(msOf(moment) + ms);

/** Milliseconds from one moment to another; negative if `to` is earlier. */
export const msBetween = (from: Moment, to: Moment): number => msOf(to) - msOf(from);

export const latest = (...moments: readonly Moment[]): Moment => momentAt(Math.max(...moments.map(msOf)));

/** Earlier than every other moment. */
export const LONG_AGO: Moment = momentAt(Number.NEGATIVE_INFINITY);

export const systemClock: Clock & MonotonicClock = {
  now: () => Date.now(),
  monotonic: () => momentAt(performance.now()),
};
