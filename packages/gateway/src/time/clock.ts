/**
 * The wall clock, passed in so that tests decide it. Milliseconds UTC. For what is shown and what is stored, never to measure how
 * long something takes: it can be set forward or back at any moment.
 */
export interface Clock {
  now(): number;
}

declare const MOMENT: unique symbol;

/**
 * A moment on this process's monotonic clock, which never goes back and which nobody sets. It is a number at run time and opaque to
 * the compiler: moments compare with moments (`<`, `>=`), and comparing one with the time of a wall clock, or subtracting them, does
 * not compile. It means nothing to another process, so it is never stored.
 */
export interface Moment {
  readonly [MOMENT]: true;
}

/** Measures durations. */
export interface MonotonicClock {
  monotonic(): Moment;
}

/** `ms` milliseconds on the scale of a monotonic clock. */
export const momentAt = (ms: number): Moment => ms as unknown as Moment;

const msOf = (moment: Moment): number => moment as unknown as number;

/** The moment `ms` milliseconds after another one. */
export const later = (moment: Moment, ms: number): Moment => momentAt(msOf(moment) + ms);

/** Milliseconds from one moment to another; negative where the second came first. */
export const msBetween = (from: Moment, to: Moment): number => msOf(to) - msOf(from);

export const latest = (...moments: readonly Moment[]): Moment => momentAt(Math.max(...moments.map(msOf)));

/** Before every other moment. */
export const LONG_AGO: Moment = momentAt(Number.NEGATIVE_INFINITY);

export const systemClock: Clock & MonotonicClock = {
  now: () => Date.now(),
  monotonic: () => momentAt(performance.now()),
};
