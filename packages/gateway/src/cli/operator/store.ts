import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { soloCluster } from '../../cluster/cluster.ts';
import type { LocalConfig } from '../../config/config.ts';
import { openPostgresStore } from '../../store/postgres/store.ts';
import { sqlitePath } from '../../store/sqlite/file.ts';
import { openSqliteStore } from '../../store/sqlite/store.ts';
import type { Store } from '../../store/store.ts';
import { invalidRequest } from '../../tasks/errors.ts';

/** Reports rows that a command cannot read and skips. */
export const commandLog = {
  warn: () => undefined,
  error(facts: object, message: string): void {
    process.stderr.write(`${message}: ${JSON.stringify(facts)}\n`);
  },
};

/** Opens the configured store for a command, which may run beside gateways and owns no task. */
export function openCommandStore({
  databaseUrl,
  dataDir,
}: Pick<LocalConfig, 'databaseUrl' | 'dataDir'>): Promise<Store> {
  if (databaseUrl === undefined && !existsSync(sqlitePath(dataDir)))
    process.stderr.write(
      `There is no store in ${resolve(dataDir)} yet; it is created there. A gateway with another data folder does not know it: ONETAKE_DATA_DIR says which one.\n`,
    );
  if (databaseUrl === undefined) return openSqliteStore({ dir: dataDir, exclusive: false, log: commandLog });
  return openPostgresStore({
    url: databaseUrl,
    cluster: soloCluster('command-line'),
    poolSize: 1,
    namedStatements: false,
    log: commandLog,
  });
}

/** Like `openCommandStore`, but throws instead of creating an embedded store. */
export function openExistingStore(config: LocalConfig): Promise<Store> {
  const { databaseUrl, dataDir } = config;
  if (databaseUrl === undefined && !existsSync(sqlitePath(dataDir))) {
    throw invalidRequest(
      `There is no onetake.db in ${resolve(dataDir)}; set ONETAKE_DATA_DIR to the data folder of the gateway.`,
    );
  }
  return openCommandStore(config);
}
