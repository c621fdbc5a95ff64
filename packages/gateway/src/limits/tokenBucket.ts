import { createRateSchedule } from '../providers/rateSchedule.ts';
import { type MonotonicClock, msBetween } from '../time/clock.ts';

/** A rate limit: `perSecond` tokens, of which up to `burst` may be saved. */
export interface TokenBucket {
  /** Milliseconds until the next token is there: 0 where one is, infinity while there is no share. */
  readyIn(): number;
  take(): void;
}

export interface BucketOptions {
  readonly burst?: number;
  /** This node's part of the rate at the moment: 0 … 1. */
  readonly share?: () => number;
}

export function createTokenBucket(
  perSecond: number,
  clock: MonotonicClock,
  { burst = Math.max(1, Math.ceil(perSecond)), share }: BucketOptions = {},
): TokenBucket {
  const start = clock.monotonic();
  const now = (): number => msBetween(start, clock.monotonic());
  const allowance = createRateSchedule({ perSecond, burst, now, share });
  return {
    readyIn: () => Math.max(0, allowance.earliest() - now()),
    take: () => allowance.reserve(allowance.earliest()),
  };
}
