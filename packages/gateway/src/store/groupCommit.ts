import Sqlite, { type Database } from 'better-sqlite3';
import { OnetakeError } from '../tasks/errors.ts';

/** Queues a write for the next group; resolves once it is durable. */
export type GroupCommit = <T>(write: () => T) => Promise<T>;

interface Queued {
  readonly write: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: every write queued in one turn of the event loop shares one durable transaction, so that a burst of
 * transitions costs one fsync. Each write has a savepoint of its own: one that throws fails alone.
 */
export function createGroupCommit(db: Database): GroupCommit {
  let queue: Queued[] = [];
  // better-sqlite3 makes a transaction inside a transaction a savepoint.
  const alone = db.transaction((write: () => unknown) => write());

  function flush(): void {
    const group = queue;
    queue = [];
    const settled: (() => void)[] = [];
    try {
      db.transaction(() => {
        for (const { write, resolve, reject } of group) {
          try {
            const value = alone(write) as never;
            settled.push(() => resolve(value));
          } catch (error) {
            // Some errors (disk full, I/O) take the whole transaction with them, and with it the writes before this one.
            if (!db.inTransaction) throw error;
            settled.push(() => reject(unavailable(error)));
          }
        }
      }).immediate();
    } catch (error) {
      // The transaction was rolled back or its commit failed: nothing of the group is durable.
      for (const { reject } of group) reject(unavailable(error));
      return;
    }
    for (const settle of settled) settle();
  }

  return <T>(write: () => T) =>
    new Promise<T>((resolve, reject) => {
      if (queue.length === 0) setImmediate(flush);
      queue.push({ write, resolve, reject });
    });
}

/** A constraint is a defect of ours and stays as it is; everything else SQLite says means that it cannot write now. */
function unavailable(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError) || error.code.startsWith('SQLITE_CONSTRAINT')) return error;
  const message = 'The gateway cannot write its data at the moment; nothing was accepted. Try again shortly.';
  return new OnetakeError('store_unavailable', 503, message, { retryAfterSeconds: 5 }, error);
}
