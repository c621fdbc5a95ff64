import type { Clock } from '../tasks/clock.ts';

/** A rate limit: `perSecond` tokens, of which up to `burst` may be saved. */
export interface TokenBucket {
  /** When the next token is there, milliseconds UTC; in the past if one is there already. */
  nextAt(): number;
  take(): void;
}

export function createTokenBucket(
  perSecond: number,
  clock: Clock,
  burst = Math.max(1, Math.ceil(perSecond)),
): TokenBucket {
  const everyMs = 1000 / perSecond;
  // Counted as a time: tokens saved are how far it lies in the past.
  let nextAt = clock.now() - burst * everyMs;
  return {
    nextAt: () => nextAt,
    take() {
      nextAt = Math.max(nextAt, clock.now() - (burst - 1) * everyMs) + everyMs;
    },
  };
}
