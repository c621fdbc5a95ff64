import type { Log } from '../observability/log.ts';
import { lockFolder } from '../store/folder/lock.ts';
import { makeFolder } from '../store/sqlite/file.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store/store.ts';
import { newId } from '../tasks/ids.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import { type Cluster, soloCluster } from './cluster.ts';
import { guardHistory } from './historyGuard.ts';

/** The settings that say where the store is. */
export interface StoreSettings {
  readonly dataDir: string;
  readonly databaseUrl?: string;
  /** A URL that connects to PostgreSQL directly, if `databaseUrl` leads through a pooler. */
  readonly databaseSessionUrl?: string;
  readonly databasePool: number;
}

export interface OpenedStore {
  readonly store: Store;
  readonly cluster: Cluster;
  /** The wall clock of all stored times: this machine's, or the database's if several nodes share it. */
  readonly clock: Clock;
  /** Why nothing more may be submitted, as a sentence without secrets; undefined if nothing is wrong. */
  problem(): string | undefined;
}

/**
 * Opens the configured store for a gateway that drives its tasks: PostgreSQL as one of several nodes, or the embedded store alone.
 * Applies pending migrations. Throws an error that says why it cannot be opened.
 */
export async function openStore(settings: StoreSettings, log: Log): Promise<OpenedStore> {
  const { databaseUrl: url, databaseSessionUrl, databasePool: poolSize } = settings;
  if (url === undefined) {
    const store = await openSqliteStore({ dir: settings.dataDir, exclusive: true, threads: true, log });
    return { store, cluster: soloCluster(`solo-${newId()}`), clock: systemClock, problem: () => undefined };
  }
  // Imported only if they are used, because both take a while to load.
  const [{ migratePostgres }, { openPostgresStore }, { joinCluster }] = await Promise.all([
    import('../store/postgres/migrations.ts'),
    import('../store/postgres/store.ts'),
    import('./postgres/cluster.ts'),
  ]);
  // Two nodes in one folder would overwrite each other's staged files.
  makeFolder(settings.dataDir);
  const lock = lockFolder(settings.dataDir);
  const opened: { close(): Promise<void> }[] = [];
  try {
    await migratePostgres(databaseSessionUrl ?? url, {
      say: (message) => log.warn({ event: 'store.migration_waits' }, message),
    });
    const cluster = await joinCluster({ url: databaseSessionUrl ?? url, log });
    opened.push(cluster);
    // Behind a pooler, each statement may run in another server session, which does not know statements that were prepared in this
    // one.
    const namedStatements = databaseSessionUrl === undefined;
    const store = await openPostgresStore({ url, cluster, poolSize, namedStatements, log });
    const guarded = guardHistory({ store, cluster, log });
    return {
      ...guarded,
      clock: cluster.clock,
      store: {
        ...guarded.store,
        async close() {
          await store.close();
          lock.release();
        },
      },
    };
  } catch (error) {
    for (const part of opened) await part.close();
    lock.release();
    throw error;
  }
}
