import type { Log } from '../observability/log.ts';
import { LONG_AGO, later, type Moment, msBetween } from '../time/clock.ts';
import { pause } from '../time/pause.ts';
import type { Timers } from '../time/timers.ts';

/** Waits between tries of a store that fails, for each task longer and longer. The failures of all tasks are logged together. */
export interface StoreRetry {
  /**
   * Waits after a failed try for a task. Resolves when the next one is due, or at once after `stop`. The first failure is logged at
   * once, the others at growing intervals with their number.
   */
  wait(taskId: string, failure: Failure): Promise<void>;
  /** The tries for a task have ended. Logs that the store works again if those for all others have, too. */
  ended(taskId: string): void;
  stop(): void;
  readonly stopped: boolean;
}

interface Failure {
  readonly event: 'task.write_failed' | 'task.read_failed' | 'task.confirm_failed';
  readonly err: unknown;
  /** The transition that could not be written. */
  readonly transition?: string;
}

/** Delay after the first failure for a task, doubling up to the maximum, and changed by up to a quarter. Milliseconds. */
const RETRY_MS = 250;
const MAX_RETRY_MS = 4000;
/** The shortest time between two log lines, doubling up to the maximum. Milliseconds. */
const LOG_MS = 1000;
const MAX_LOG_MS = 60_000;

export function createStoreRetry(
  timers: Timers,
  log: Pick<Log, 'error' | 'info'>,
  random: () => number = Math.random,
): StoreRetry {
  const stopping = new AbortController();
  /** The failed tries for each task that is still tried for. */
  const tries = new Map<string, number>();
  let failures = 0;
  let failingSince: Moment = LONG_AGO;
  let logAt: Moment = LONG_AGO;
  let logMs = LOG_MS;

  function record(task: string, failure: Failure): void {
    const now = timers.monotonic();
    if (failures === 0) failingSince = now;
    failures += 1;
    if (now < logAt) return;
    log.error(
      { ...failure, task, failures, tasks: tries.size },
      'the store failed for a task; it is tried again, and further failures are counted',
    );
    logAt = later(now, logMs);
    logMs = Math.min(MAX_LOG_MS, logMs * 2);
  }

  return {
    async wait(taskId, failure) {
      const failed = (tries.get(taskId) ?? 0) + 1;
      tries.set(taskId, failed);
      record(taskId, failure);
      const ms = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failed - 1, 10));
      await pause(timers, ms * (0.75 + random() / 2), stopping.signal);
    },
    ended(taskId) {
      if (!tries.delete(taskId) || tries.size > 0) return;
      const seconds = Math.round(msBetween(failingSince, timers.monotonic()) / 1000);
      if (!stopping.signal.aborted)
        log.info({ event: 'store.recovered', failures, seconds }, 'the store works again for all tasks');
      failures = 0;
      logAt = LONG_AGO;
      logMs = LOG_MS;
    },
    stop: () => stopping.abort(),
    get stopped() {
      return stopping.signal.aborted;
    },
  };
}
