import Sqlite, { type Database } from 'better-sqlite3';
import { StoreRefused, StoreUnavailable } from '../errors.ts';
import { databaseLocked, isLocked, LOCK_PATIENCE_MS, lockPause } from './locked.ts';

/**
 * Queues a write for the next group; resolves once it is durable. `rides`: it survives the end of the process then, and a power failure once
 * the next write that does not ride is durable.
 */
export type GroupCommit = <T>(write: () => T, options?: { readonly rides: boolean }) => Promise<T>;

interface Queued {
  readonly write: () => unknown;
  readonly rides: boolean;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** When the write fails if the file is still locked. Monotonic milliseconds. */
  readonly patientUntil: number;
}

interface GroupCommitOptions {
  /** How long a write waits for another process that has the file locked, milliseconds. */
  readonly lockPatienceMs?: number;
  /** Called before each group. Throws if nothing may be written now. */
  readonly requireWritable?: () => void;
}

/**
 * Group commit: every write queued in one turn of the event loop shares one durable transaction, so that a burst of transitions costs
 * one fsync. Each write has a savepoint of its own: one that throws fails alone. While another process has locked the file, writes
 * stay queued and are retried.
 */
export function createGroupCommit(
  db: Database,
  { lockPatienceMs = LOCK_PATIENCE_MS, requireWritable }: GroupCommitOptions = {},
): GroupCommit {
  let queue: Queued[] = [];
  let scheduled = false;
  let lockedTries = 0;
  let isFull = true;
  // better-sqlite3 makes a nested transaction a savepoint.
  const alone = db.transaction((write: () => unknown) => write());
  const begin = db.prepare('begin immediate');
  const commit = db.prepare('commit');
  const rollback = db.prepare('rollback');

  /** Runs the writes in the open transaction and commits it. Returns functions that settle the writes. */
  function runGroup(group: readonly Queued[]): (() => void)[] {
    const settled: (() => void)[] = [];
    for (const { write, resolve, reject } of group) {
      try {
        const value = alone(write) as never;
        settled.push(() => resolve(value));
      } catch (error) {
        // Some errors (disk full, I/O) roll back the whole transaction, including the writes before this one.
        if (!db.inTransaction) throw error;
        settled.push(() => reject(asStoreError(error)));
      }
    }
    commit.run();
    return settled;
  }

  /** Syncs the log with the commit of this group, unless all of it rides. A synced commit makes everything durable that is in the log before it. */
  function setSync(full: boolean): void {
    if (full !== isFull) db.pragma(`synchronous = ${full ? 'FULL' : 'NORMAL'}`);
    isFull = full;
  }

  function flush(): void {
    scheduled = false;
    try {
      requireWritable?.();
      setSync(queue.some(({ rides }) => !rides));
      begin.run();
    } catch (error) {
      if (isLocked(error)) waitForLock(error);
      else for (const { reject } of takeQueue()) reject(asStoreError(error));
      return;
    }
    lockedTries = 0;
    const group = takeQueue();
    try {
      for (const settle of runGroup(group)) settle();
    } catch (error) {
      // The transaction was rolled back or its commit failed: nothing of the group is durable.
      for (const { reject } of group) reject(asStoreError(error));
      if (db.inTransaction) rollback.run();
    }
  }

  function takeQueue(): readonly Queued[] {
    const taken = queue;
    queue = [];
    return taken;
  }

  function waitForLock(cause: unknown): void {
    const now = performance.now();
    for (const { reject } of queue.filter(({ patientUntil }) => patientUntil <= now)) {
      reject(databaseLocked(cause));
    }
    queue = queue.filter(({ patientUntil }) => patientUntil > now);
    if (queue.length === 0) return;
    scheduled = true;
    setTimeout(flush, lockPause(lockedTries));
    lockedTries += 1;
  }

  return <T>(write: () => T, { rides } = { rides: false }) =>
    new Promise<T>((resolve, reject) => {
      queue.push({ write, rides, resolve, reject, patientUntil: performance.now() + lockPatienceMs });
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    });
}

/** SQLite's errors about the values of a write. Its other errors mean that it cannot write now. */
const REFUSALS = ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'SQLITE_RANGE'];

function asStoreError(error: unknown): unknown {
  // Thrown by better-sqlite3 itself for a value that no column can store.
  if (error instanceof TypeError || error instanceof RangeError) return new StoreRefused(error);
  if (!(error instanceof Sqlite.SqliteError)) return error;
  if (REFUSALS.some((code) => error.code.startsWith(code))) return new StoreRefused(error);
  return new StoreUnavailable(`${whyNot(error.code)}; nothing was accepted. Try again shortly.`, 5, error);
}

/** The reason for API clients. The code is in the log. */
function whyNot(code: string): string {
  if (code.startsWith('SQLITE_FULL')) return 'The disk of the gateway is full';
  if (code.startsWith('SQLITE_READONLY')) return 'The data folder of the gateway is read-only';
  if (code.startsWith('SQLITE_IOERR')) return 'The disk of the gateway does not work, or is full';
  return 'The gateway cannot write its data at the moment';
}
