import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { soloCluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import { openPostgresStore } from '../store/postgres/store.ts';
import { sqlitePath } from '../store/sqlite/file.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { Store } from '../store/store.ts';
import { invalidRequest } from '../tasks/errors.ts';

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

/** As `openStore`, for a command that has nothing to do where nothing is stored. Makes nothing. */
export function openStoreThatIsThere(config: Config): Promise<Store> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl === undefined && !existsSync(sqlitePath(dataDir))) {
    throw invalidRequest(
      `There is no onetake.db in ${resolve(dataDir)}; set ONETAKE_DATA_DIR to the data folder of the gateway.`,
    );
  }
  return openStore(config);
}
