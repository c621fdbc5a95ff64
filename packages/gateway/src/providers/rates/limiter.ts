import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamError } from '../provider.ts';
import { createRateSchedule } from './schedule.ts';
import type { RateShare } from './share.ts';

/** Keeps calls within the rate that an upstream allows. */
export interface RateLimiter {
  /** Returns whether so many calls may go now. If so, they are counted. */
  take(calls?: number): boolean;
  /**
   * Resolves when the next call may go, and counts it. Throws `UpstreamError` with `created: 'no'` if the signal aborts first.
   */
  turn(signal: AbortSignal): Promise<void>;
}

interface Rate {
  readonly perSecond: number;
  /** How many calls may go at once after a pause. Further calls are spaced evenly. */
  readonly burst: number;
  /** This node's part of the rate. All of it by default. */
  readonly share?: RateShare | undefined;
  /** The rate is too low to be divided, so nodes take turns and never call at the same time. */
  readonly undivided?: boolean;
}

/** How long a call waits before it looks whether this node's part has grown. Milliseconds. */
const LOOK_MS = 250;

/** The clock of a rate limiter. */
export interface RateLimiterTime {
  /** Milliseconds on a monotonic clock, so that setting the wall clock does not change the limit. */
  now(): number;
  /** Waits so many milliseconds. Rejects if the signal aborts first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

const REAL_TIME: RateLimiterTime = { now: () => performance.now(), wait: waitFor };

export function createRateLimiter(
  { perSecond, burst, share, undivided = false }: Rate,
  { now, wait }: RateLimiterTime = REAL_TIME,
): RateLimiter {
  const schedule = createRateSchedule({ perSecond, burst, now, share: undivided ? undefined : share?.rate });
  const waiting = new Set<() => void>();
  let nobodyWaits = new AbortController();
  let waking = false;

  function earliest(calls = 1): number {
    const at = schedule.earliest(calls);
    if (!share || !undivided) return at;
    const turn = share.turnIn(1000 / perSecond, Math.max(0, at - now()));
    return turn === 0 ? at : now() + turn;
  }

  function take(calls = 1): boolean {
    if (waiting.size > 0 || earliest(calls) > now()) return false;
    schedule.reserve(schedule.earliest(), calls);
    return true;
  }

  /** Lets waiting calls go one by one, in the order in which they came. */
  async function wake(): Promise<void> {
    if (waking) return;
    waking = true;
    while (waiting.size > 0) {
      const at = earliest();
      const ms = at - now();
      const slice = share && ms > LOOK_MS;
      nobodyWaits = new AbortController();
      const waited = await wait(slice ? LOOK_MS : ms, nobodyWaits.signal).then(
        () => true,
        () => false,
      );
      const [go] = waiting;
      // All waiting calls gave up. A call that came since then waits for its own time.
      if (!waited || !go || slice) continue;
      waiting.delete(go);
      schedule.reserve(at);
      go();
    }
    waking = false;
  }

  return {
    take,
    turn(signal) {
      if (signal.aborted) return Promise.reject(givenUp(signal.reason));
      if (take()) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        };
        // The turn of a call that gave up goes to the next waiting call.
        const giveUp = () => {
          waiting.delete(go);
          if (waiting.size === 0) nobodyWaits.abort();
          reject(givenUp(signal.reason));
        };
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.add(go);
        void wake();
      });
    },
  };
}

const givenUp = (cause: unknown): UpstreamError =>
  new UpstreamError('upstream_timeout', {
    created: 'no',
    detail: 'given up while it waited for its turn within the rate limit',
    cause,
  });

/** Rejects if the signal aborts first. */
async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  // A timer may fire a millisecond early.
  await sleep(Math.ceil(Math.max(0, ms)) + 1, undefined, { signal });
}
