import type { Log } from '../observability/log.ts';
import { lockFolder } from '../store/folder/lock.ts';
import { migratePostgres } from '../store/postgres/migrations.ts';
import { openPostgresStore } from '../store/postgres/store.ts';
import { makeFolder } from '../store/sqlite/file.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store/store.ts';
import { newId } from '../tasks/ids.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import { type Cluster, soloCluster } from './cluster.ts';
import { guardHistory } from './historyGuard.ts';
import { joinCluster } from './postgres/cluster.ts';

/** As much of the settings as says where the store is. */
export interface StoreSettings {
  readonly dataDir: string;
  readonly databaseUrl?: string;
  /** A direct address of the database, where the first leads through a pooler. */
  readonly databaseSessionUrl?: string;
  readonly databasePool: number;
}

export interface OpenedStore {
  readonly store: Store;
  readonly cluster: Cluster;
  /** The wall clock by which everything is stored: this machine's, or that of the database which many share. */
  readonly clock: Clock;
  /** Why nothing more may be submitted on what is stored, in a sentence that anybody may read. */
  problem(): string | undefined;
}

/**
 * Opens the store that the settings name, for a gateway that is to drive its tasks: PostgreSQL, as one node of many, or the
 * embedded one, alone. Migrates it if need be. Throws what is wrong with it.
 */
export async function openStore(settings: StoreSettings, log: Log): Promise<OpenedStore> {
  const { databaseUrl: url, databaseSessionUrl, databasePool: poolSize } = settings;
  if (url === undefined) {
    const store = await openSqliteStore({ dir: settings.dataDir, exclusive: true, log });
    return { store, cluster: soloCluster(`solo-${newId()}`), clock: systemClock, problem: () => undefined };
  }
  // Two nodes in one folder would mix up the bytes that they stage there.
  makeFolder(settings.dataDir);
  const lock = lockFolder(settings.dataDir);
  const opened: { close(): Promise<void> }[] = [];
  try {
    await migratePostgres(databaseSessionUrl ?? url, {
      say: (message) => log.warn({ event: 'store.migration_waits' }, message),
    });
    const cluster = await joinCluster({ url: databaseSessionUrl ?? url, log });
    opened.push(cluster);
    // Behind a pooler each statement may meet another session of the server, which may not know its name.
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
