/** Time and chance, which tests replace. */
export interface Timing {
  /** Milliseconds. Only differences mean something. */
  now(): number;
  /** At least 0, less than 1. */
  random(): number;
  /** Resolves after `ms`, or rejects with the reason of `signal` as soon as that is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Timers of more milliseconds fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const SYSTEM_TIMING: Timing = {
  now: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const aborted = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener('abort', aborted);
          resolve();
        },
        Math.min(ms, LONGEST_TIMER_MS),
      );
      signal?.addEventListener('abort', aborted, { once: true });
    }),
};

/** A server that asks for more is not slept for as long: a wrong clock or a stray header must not stop a caller for a day. Milliseconds. */
export const LONGEST_ASKED_MS = 60_000;

/** Growing delays with jitter, so that many clients do not come back all at once. */
export interface Backoff {
  /** The delay before the next attempt, milliseconds. `askedMs` is what the server asked for: followed, within bounds. */
  next(askedMs?: number): number;
  reset(): void;
}

export function createBackoff(firstMs: number, longestMs: number, random: () => number): Backoff {
  let delay = firstMs;
  return {
    next(askedMs) {
      const jitter = 0.5 + random() / 2;
      const own = delay * jitter;
      delay = Math.min(longestMs, delay * 2);
      if (askedMs === undefined) return own;
      // A little later than asked for, and not at the same moment as everyone who was told the same. "At once" is no leave to flood the server.
      const asked = Math.min(askedMs, LONGEST_ASKED_MS) * (1 + random() / 10);
      return Math.max(firstMs * jitter, asked);
    },
    reset() {
      delay = firstMs;
    },
  };
}

/** A signal that is aborted with `outer`, or by itself. `release` when what it was for has ended. */
export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Aborts with the reason that `reasonOf` makes after `ms`, unless called again, held off or released before. */
  abortAfter(ms: number, reasonOf: () => unknown): void;
  holdOff(): void;
  release(): void;
}

// `AbortSignal.any` and `AbortSignal.timeout` together would do, but some releases of Node 20 and 22 collect such signals too early.
export function linkSignal(outer: AbortSignal | undefined): LinkedSignal {
  const controller = new AbortController();
  const follow = () => controller.abort(outer?.reason);
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (outer?.aborted) follow();
  else outer?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    abortAfter(ms, reasonOf) {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(reasonOf()), Math.min(ms, LONGEST_TIMER_MS));
    },
    holdOff: () => clearTimeout(timer),
    release() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', follow);
    },
  };
}
