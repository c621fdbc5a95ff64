import { createRateSchedule } from '../providers/rates/schedule.ts';
import { type MonotonicClock, msBetween } from '../time/clock.ts';

/** A rate limit of `perSecond` tokens, of which up to `burst` can accumulate. */
export interface TokenBucket {
  /** Milliseconds until a token is available: 0 if there is one, infinity while this node has no share. */
  readyIn(): number;
  take(): void;
}

export interface BucketOptions {
  readonly burst?: number;
  /** This node's current share of the rate: 0 … 1. */
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
