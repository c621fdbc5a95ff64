import { soloCluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import { openPostgresStore } from '../store/postgres/store.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store/store.ts';

/** Tells what a command cannot read, and goes on without. */
export const storeLog = {
  warn: () => undefined,
  error(facts: object, message: string): void {
    process.stderr.write(`${message}: ${JSON.stringify(facts)}\n`);
  },
};

/** The store that the settings name, for a command that works beside running gateways and owns no task. */
export function openStore({ databaseUrl, dataDir }: Config): Promise<Store> {
  if (databaseUrl === undefined) return openSqliteStore({ dir: dataDir, exclusive: false, log: storeLog });
  return openPostgresStore({
    url: databaseUrl,
    cluster: soloCluster('command-line'),
    poolSize: 1,
    namedStatements: false,
    log: storeLog,
  });
}
