/**
 * The simulators' time. Timestamps are those of the wall clock, so that what a client reads (`created_at`, `expires_at`) agrees
 * with its own clock; what is scaled is how long things take.
 */
export interface Clock {
  /** Milliseconds UTC: the wall clock, and whatever was skipped by `advance`. */
  now(): number;
  /** How long `ms` of the upstream's time last here. */
  scaled(ms: number): number;
  /** Skips `ms` of the upstream's time. Throws a TypeError for what is no time to come. */
  advance(ms: number): void;
}

/** `scale` 0.01 makes a job of 60 s take 0.6 s. */
export function createClock(scale: number): Clock {
  if (!(scale > 0)) throw new RangeError(`scale must be above 0, not ${scale}`);
  let skipped = 0;
  return {
    now: () => Date.now() + skipped,
    scaled: (ms) => ms * scale,
    advance(ms) {
      // Anything else would leave a clock that tells no time.
      if (!Number.isFinite(ms) || ms < 0) throw new TypeError(`ms must be a number from 0 on, not ${ms}`);
      skipped += ms * scale;
    },
  };
}
