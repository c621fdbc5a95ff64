/**
 * The simulators' time. Timestamps come from the wall clock, so that `created_at` and `expires_at` agree with the client's clock.
 * Only durations are scaled.
 */
export interface Clock {
  /** Milliseconds UTC: the wall clock plus the time that `advance` skipped. */
  now(): number;
  /** The real duration of `ms` of the upstream's time. */
  scaled(ms: number): number;
  /** The real duration for which the upstream keeps what it keeps for `ms`: results, links and lists. */
  kept(ms: number): number;
  /** Skips `ms` of the upstream's time. Throws a TypeError unless `ms` is finite and not negative. */
  advance(ms: number): void;
}

/** `scale` 0.01 makes a job of 60 s take 0.6 s. `keptScale` is the same for the times for which results are kept. */
export function createClock(scale: number, keptScale = scale): Clock {
  for (const factor of [scale, keptScale])
    if (!(factor > 0)) throw new RangeError(`scale must be above 0, not ${factor}`);
  let skipped = 0;
  return {
    now: () => Date.now() + skipped,
    scaled: (ms) => ms * scale,
    kept: (ms) => ms * keptScale,
    advance(ms) {
      // Any other value would make the clock return NaN or go back.
      if (!Number.isFinite(ms) || ms < 0)
        throw new TypeError(`ms must be a finite number of at least 0, not ${ms}`);
      skipped += ms * scale;
    },
  };
}
