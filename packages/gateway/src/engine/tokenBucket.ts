import { createAllowance } from '../providers/allowance.ts';
import type { Clock } from '../tasks/clock.ts';

/** A rate limit: `perSecond` tokens, of which up to `burst` may be saved. */
export interface TokenBucket {
  /** When the next token is there, milliseconds UTC; in the past if one is there already, never while there is no share. */
  nextAt(): number;
  take(): void;
}

export interface BucketOptions {
  readonly burst?: number;
  /** This node's part of the rate at the moment: 0 … 1. */
  readonly share?: () => number;
}

export function createTokenBucket(
  perSecond: number,
  clock: Clock,
  { burst = Math.max(1, Math.ceil(perSecond)), share }: BucketOptions = {},
): TokenBucket {
  const allowance = createAllowance({ perSecond, burst, now: () => clock.now(), share });
  return {
    nextAt: () => allowance.earliest(),
    take: () => allowance.spend(allowance.earliest()),
  };
}
