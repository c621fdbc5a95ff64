import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamError } from '../provider.ts';
import type { Permits } from './permits.ts';

/** Keeps calls within the rate that an upstream allows. */
export interface RateLimiter {
  /** Whether so many calls may go now. If so, they are counted. Resolves at once, or when the other nodes' calls are known. */
  take(calls?: number): Promise<boolean>;
  /**
   * Resolves when the next call may go, and counts it. Throws `UpstreamError` with `created: 'no'` if the signal aborts first.
   */
  turn(signal: AbortSignal): Promise<void>;
}

/** Waits so many milliseconds, without end if infinite. Rejects if the signal aborts first. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** `open` opens the permits of the rate. It is given what tells how many calls want to go. */
export function createRateLimiter(
  open: (wanted: () => number) => Permits,
  wait: Wait = waitFor,
): RateLimiter {
  const waiting = new Set<() => void>();
  let trying = 0;
  const permits = open(() => waiting.size + trying);
  let wake = new AbortController();
  let serving = false;

  /** Resolves when it is known whether so many permits are ready. */
  async function known(calls: number): Promise<void> {
    if (permits.readyIn(calls) < Number.POSITIVE_INFINITY) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = permits.onReady(resolve);
    trying += calls;
    // Asked again, because the demand has grown.
    permits.readyIn(calls);
    await promise;
    trying -= calls;
    unsubscribe();
  }

  /** Lets waiting calls go one by one, in the order in which they came. */
  async function serve(): Promise<void> {
    if (serving) return;
    serving = true;
    for (let [go] = waiting; go; [go] = waiting) {
      const ms = permits.readyIn();
      if (ms === 0) {
        permits.take();
        waiting.delete(go);
        go();
        continue;
      }
      wake = new AbortController();
      const unsubscribe = permits.onReady(() => wake.abort());
      await wait(ms, wake.signal).catch(() => undefined);
      unsubscribe();
    }
    serving = false;
  }

  return {
    async take(calls = 1) {
      // Waiting calls go first.
      if (waiting.size > 0) return false;
      await known(calls);
      if (waiting.size > 0 || permits.readyIn(calls) > 0) return false;
      permits.take(calls);
      return true;
    },
    turn(signal) {
      if (signal.aborted) return Promise.reject(givenUp(signal.reason));
      return new Promise((resolve, reject) => {
        const go = () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        };
        // The turn of a call that gave up goes to the next waiting call.
        const giveUp = () => {
          waiting.delete(go);
          if (waiting.size === 0) wake.abort();
          reject(givenUp(signal.reason));
        };
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.add(go);
        void serve();
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

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  // A timer may fire a millisecond early, and has a maximum.
  await sleep(Math.min(Math.ceil(ms) + 1, 2 ** 31 - 1), undefined, { signal });
}
