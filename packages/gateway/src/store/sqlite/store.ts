import type { Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Log } from '../../observability/log.ts';
import { explainedFolder, lockFolder } from '../folder/lock.ts';
import { refuseBackupFolder, refuseMovedFolder } from '../folder/marks.ts';
import { countersOfUse, useFrom } from '../quota/quota.ts';
import { createRowReader } from '../readRows.ts';
import type { Store } from '../store.ts';
import { sqliteAccounts } from './accounts.ts';
import { sqliteEstimates } from './estimates.ts';
import { sqliteEvents } from './events.ts';
import { type Executor, executeHere, executeInThreads } from './executor.ts';
import { makeFolder, openSqliteFile } from './file.ts';
import { sqliteKeys, sqliteProjects } from './keys.ts';
import { retryWhileLocked } from './locked.ts';
import { sqliteMedia } from './media.ts';
import { migrateDatabase } from './migrations.ts';
import { type Connection, connectionOf } from './operations/connection.ts';
import { skipLostPlaces } from './operations/events.ts';
import { prepareStatements } from './operations/statements.ts';
import type { SqliteParts } from './parts.ts';
import { sqliteOwnership, sqliteTasks } from './tasks.ts';
import { sqliteWebhooks } from './webhooks.ts';

export interface SqliteOptions {
  /** The data folder. It is created if it is missing. */
  readonly dir: string;
  /** True for the gateway, which must be the folder's only driver; false for the command line beside it. */
  readonly exclusive: boolean;
  /** Allows to open a backup that was not recovered yet, in order to recover it. */
  readonly recovering?: boolean;
  /** Writes, and reads many rows, in threads of their own: for the gateway. By default in this one, which is ready sooner. */
  readonly threads?: boolean;
  /** How often to look for another process's writes, in milliseconds. */
  readonly foreignChangeMs?: number;
  /** How long a write waits for another process that has locked the file, in milliseconds. */
  readonly lockPatienceMs?: number;
  readonly log?: Pick<Log, 'error'>;
}

/** The embedded store: one SQLite file, WAL, `synchronous=FULL`, group commit. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  makeFolder(options.dir);
  const lock = options.exclusive ? lockFolder(options.dir) : undefined;
  try {
    // Under the lock, because an import or a backup that holds it may be marking the folder.
    refuseMovedFolder(options.dir);
    if (options.exclusive && !options.recovering) refuseBackupFolder(options.dir);
    return await openLocked(options, () => lock?.release());
  } catch (error) {
    lock?.release();
    throw explainedFolder(options.dir, error);
  }
}

async function openLocked(options: SqliteOptions, unlock: () => void): Promise<Store> {
  const db = await openSqliteFile(options.dir);
  try {
    await migrateDatabase(new Kysely<unknown>({ dialect: new SqliteDialect({ database: db }) }));
    if (options.exclusive) await retryWhileLocked(() => skipLostPlaces(db), options.lockPatienceMs);
    return storeOn(db, options, unlock);
  } catch (error) {
    db.close();
    throw error;
  }
}

function storeOn(db: Database, options: SqliteOptions, unlock: () => void): Store {
  const deliveryListeners = new Set<() => void>();
  const onDelivery = () => {
    for (const listener of deliveryListeners) listener();
  };
  const executor = options.threads
    ? executeInThreads({ ...options, onDelivery })
    : executeHere(db, { ...options, onDelivery });
  const { write, read } = executor;
  const rows = createRowReader(options.log);
  const connection = connectionOf(db);
  const parts: SqliteParts = { db: connection, sql: prepareStatements(connection), rows, write, read };
  const changes = externalChanges(connection, executor, options.foreignChangeMs);

  return {
    ...sqliteTasks(parts, db),
    ...sqliteOwnership(parts),
    ...sqliteMedia(parts),
    ...sqliteKeys(parts),
    ...sqliteProjects(parts),
    ...sqliteAccounts(parts),
    ...sqliteEstimates(parts),
    ...sqliteEvents(parts),
    ...sqliteWebhooks(parts),
    tasksAfter: read.tasksAfter,
    removeTasks: write.removeTasks,
    ledgeredAfter: read.ledgeredAfter,
    summariseLedger: write.summariseLedger,
    removeDeliveries: write.removeDeliveries,
    removeAudit: write.removeAudit,
    quotaUse: async (counted, at, currency) =>
      useFrom(await read.quotaAmounts(countersOfUse(counted, at, currency))),
    recountQuotas: write.recountQuotas,
    onDelivery(listener) {
      deliveryListeners.add(listener);
      return () => deliveryListeners.delete(listener);
    },
    sharedLimits: undefined,
    secret: async (name, make) => parts.sql.secret.get(name)?.value ?? (await write.secret(name, make())),
    onExternalChange: changes.onChange,
    unreadable: () => rows.unreadable,
    check: () => write.writeCheck(),
    async close() {
      changes.close();
      try {
        await executor.close();
      } finally {
        db.close();
        unlock();
      }
    },
  };
}

/** Looks for commits of other processes. Asking a connection costs microseconds. */
function externalChanges(db: Connection, { dataVersion }: Executor, everyMs = 500) {
  const timers = new Set<NodeJS.Timeout>();
  // Of the connection that writes: to others its commits look like those of another process.
  const opened = dataVersion().catch(() => undefined);

  function onChange(listener: () => void): () => void {
    let [seen, known] = [db.dataVersion(), opened];
    const timer = setInterval(async () => {
      const current = db.dataVersion();
      if (current === seen) return;
      seen = current;
      const before = known;
      // If it cannot be asked, another process may have written.
      known = dataVersion().catch(() => undefined);
      const [was, is] = await Promise.all([before, known]);
      if (was === undefined || is !== was) listener();
    }, everyMs);
    timer.unref();
    timers.add(timer);
    return () => {
      clearInterval(timer);
      timers.delete(timer);
    };
  }

  return {
    onChange,
    close() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
