import type { Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Log } from '../../observability/log.ts';
import { watchFiles } from '../folder/files.ts';
import { explainedFolder, lockFolder } from '../folder/lock.ts';
import { refuseBackupFolder, refuseMovedFolder } from '../folder/marks.ts';
import { createRowReader } from '../readRows.ts';
import { sqliteRetention } from '../retention/sqlite.ts';
import type { Store } from '../store.ts';
import { sqliteAccounts } from './accounts.ts';
import { sqliteEstimates } from './estimates.ts';
import { sqliteEvents } from './events.ts';
import { makeFolder, openSqliteFile, sqlitePath } from './file.ts';
import { createGroupCommit } from './groupCommit.ts';
import { sqliteKeys } from './keys.ts';
import { sqliteMedia } from './media.ts';
import { migrateDatabase } from './migrations.ts';
import type { SqliteParts } from './parts.ts';
import { prepareStatements } from './statements.ts';
import { sqliteOwnership, sqliteTasks } from './tasks.ts';
import { sqliteWebhooks } from './webhooks.ts';

export interface SqliteOptions {
  /** The data folder. It is created if it is missing. */
  readonly dir: string;
  /** True for the gateway, which must be the folder's only driver; false for the command line beside it. */
  readonly exclusive: boolean;
  /** Allows to open a backup that was not recovered yet, in order to recover it. */
  readonly recovering?: boolean;
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
    return storeOn(db, options, unlock);
  } catch (error) {
    db.close();
    throw error;
  }
}

function storeOn(db: Database, options: SqliteOptions, unlock: () => void): Store {
  const sql = prepareStatements(db);
  const inGroup = createGroupCommit(db, {
    ...options,
    requireWritable: watchFiles([sqlitePath(options.dir), `${sqlitePath(options.dir)}-wal`]),
  });
  const rows = createRowReader(options.log);
  const deliveryListeners = new Set<() => void>();
  const onDelivery = () => {
    for (const listener of deliveryListeners) listener();
  };
  const parts: SqliteParts = { sql, rows, inGroup, onDelivery };
  const timers = new Set<NodeJS.Timeout>();

  return {
    ...sqliteTasks(parts, db),
    ...sqliteOwnership(parts),
    ...sqliteMedia(parts),
    ...sqliteKeys(parts),
    ...sqliteAccounts(parts, db),
    ...sqliteEstimates(parts, db),
    ...sqliteEvents(parts, db),
    ...sqliteWebhooks(parts, db),
    ...sqliteRetention(parts, db),
    onDelivery(listener) {
      deliveryListeners.add(listener);
      return () => deliveryListeners.delete(listener);
    },
    sharedLimits: undefined,
    secret: (name, make) =>
      inGroup(() => {
        sql.putSecret.run(name, make());
        return sql.secret.get(name)?.value ?? '';
      }),
    onExternalChange(listener) {
      // `data_version` changes when another connection has committed; asking costs microseconds.
      const version = (): unknown => db.pragma('data_version', { simple: true });
      let seen = version();
      const timer = setInterval(() => {
        const current = version();
        if (current === seen) return;
        seen = current;
        listener();
      }, options.foreignChangeMs ?? 500);
      timer.unref();
      timers.add(timer);
      return () => {
        clearInterval(timer);
        timers.delete(timer);
      };
    },
    unreadable: () => rows.unreadable,
    check: () => inGroup(() => void sql.writeCheck.run()),
    async close() {
      for (const timer of timers) clearInterval(timer);
      try {
        // One more turn of the group commit: what was queued before this call is durable once it resolves.
        await inGroup(() => undefined);
      } catch {
        // Every queued write was rejected with the reason; there is nothing more to wait for.
      } finally {
        db.close();
        unlock();
      }
    },
  };
}
