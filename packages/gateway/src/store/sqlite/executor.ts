import type { Database } from 'better-sqlite3';
import type { Log } from '../../observability/log.ts';
import { watchFiles } from '../folder/files.ts';
import { sqlitePath } from './file.ts';
import { createGroupCommit } from './groupCommit.ts';
import { connectionOf } from './operations/connection.ts';
import { createReads, type Reads } from './operations/reads.ts';
import { createWrites, rides, type Writes } from './operations/writes.ts';
import { execute, type Remote, remote } from './threads/remote.ts';
import { createThread } from './threads/thread.ts';

/** How long the thread that reads may be without work: it takes about 10 MB, and 30 ms to start again. Milliseconds. */
const IDLE_MS = 10_000;

/** Executes the operations of the store. */
export interface Executor {
  readonly write: Remote<Writes>;
  readonly read: Remote<Reads>;
  /** Changes when another process has written. */
  dataVersion(): Promise<string>;
  /** Resolves when everything that was requested before is written. */
  close(): Promise<void>;
}

interface ExecutorOptions {
  readonly dir: string;
  readonly lockPatienceMs?: number;
  readonly log?: Pick<Log, 'error'>;
  /** Called when a delivery that is due is written. */
  readonly onDelivery: () => void;
}

const requireFiles = (dir: string) => watchFiles([sqlitePath(dir), `${sqlitePath(dir)}-wal`]);

/** In this thread: for a command that opens the store for a moment. */
export function executeHere(db: Database, options: ExecutorOptions): Executor {
  const connection = connectionOf(db);
  const writes = createWrites(connection, options.onDelivery);
  const reads = createReads(connection);
  const inGroup = createGroupCommit(db, { ...options, requireWritable: requireFiles(options.dir) });
  return {
    write: remote((name, args) => inGroup(() => execute(writes, name, args), { rides: rides(name, args) })),
    read: remote(async (name, args) => execute(reads, name, args)),
    dataVersion: async () => connection.dataVersion(),
    // One more turn of the group commit. If it fails, every queued write was rejected with the reason.
    close: () => inGroup(() => undefined).catch(() => undefined),
  };
}

/** In threads of their own: neither the disk nor a long list keeps the event loop waiting. */
export function executeInThreads({ dir, lockPatienceMs, log, onDelivery }: ExecutorOptions): Executor {
  const shared = { dir, lockPatienceMs, log, requireFile: requireFiles(dir) };
  const writer = createThread({ ...shared, role: 'writer', onDelivery });
  const reader = createThread({ ...shared, role: 'reader', idleMs: IDLE_MS });
  const write = remote<Writes>(writer.call);
  return {
    write,
    read: remote(reader.call),
    dataVersion: () => write.dataVersion(),
    async close() {
      await Promise.all([writer.close(), reader.close()]);
    },
  };
}
