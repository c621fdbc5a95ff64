import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { StoreUnavailable } from '../errors.ts';

/**
 * How long a write waits for another process that has locked the database file. The command line locks it only for moments. If a
 * transaction stays open for longer, callers get an error. Milliseconds.
 */
export const LOCK_PATIENCE_MS = 5000;

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;

/** Whether another connection has the database file locked; nothing was written then. */
export const isLocked = (error: unknown): boolean =>
  error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');

/** The pause before the next try, milliseconds. */
export const lockPause = (tries: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries);

export function databaseLocked(cause: unknown): StoreUnavailable {
  const message =
    'The database file is locked by another process, which has a transaction open; nothing was written. Try again shortly.';
  return new StoreUnavailable(message, 5, cause);
}

/**
 * Runs `work` and retries it while another process has locked the file. SQLite's own `busy_timeout` would block the whole process,
 * because better-sqlite3 is synchronous. Throws a 503 after `patienceMs`.
 */
export async function retryWhileLocked<T>(
  work: () => T | Promise<T>,
  patienceMs = LOCK_PATIENCE_MS,
): Promise<T> {
  const until = performance.now() + patienceMs;
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (performance.now() >= until) throw databaseLocked(error);
      await sleep(lockPause(tries));
    }
  }
}
