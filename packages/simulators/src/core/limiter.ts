import type { Clock } from './clock.ts';

/** A number of requests in a span of the upstream's time. All of them may come at once. */
export interface RateLimit {
  readonly requests: number;
  readonly perMs: number;
}

/** Token buckets by name. */
export interface Limiter {
  /** False if every limit is switched off. */
  readonly enabled: boolean;
  /** Takes a token. Returns 0 if there was one, otherwise the milliseconds (of the client's time) until there is one. */
  take(name: string, limit: RateLimit): number;
}

/** With `enabled` false there is always a token. */
export function createLimiter(clock: Clock, enabled: boolean): Limiter {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    enabled,
    take(name, limit) {
      if (!enabled) return 0;
      const now = clock.now();
      const perToken = clock.scaled(limit.perMs) / limit.requests;
      const bucket = buckets.get(name) ?? { tokens: limit.requests, at: now };
      buckets.set(name, bucket);
      bucket.tokens = Math.min(limit.requests, bucket.tokens + (now - bucket.at) / perToken);
      bucket.at = now;
      if (bucket.tokens < 1) return (1 - bucket.tokens) * perToken;
      bucket.tokens--;
      return 0;
    },
  };
}

/** The `Retry-After` for a wait: whole seconds, at least one. */
export const retryAfterSeconds = (waitMs: number): number => Math.max(1, Math.ceil(waitMs / 1000));
