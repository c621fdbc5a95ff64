import { onTestFinished } from 'vitest';
import { openPostgresStore, type PostgresOptions } from '../../../src/store/postgres/store.ts';
import { ledgerInDatabase, type StoreWithLedger } from '../../support/ledger.ts';

/** A store on a database; closed when the test ends. */
export async function openStore(
  url: string,
  options: Partial<PostgresOptions> = {},
): Promise<StoreWithLedger> {
  const store = await openPostgresStore({
    url,
    cluster: { node: 'node-1' },
    poolSize: 4,
    namedStatements: true,
    ...options,
  });
  onTestFinished(() => store.close());
  return { ...store, ledger: (taskId) => ledgerInDatabase(url, taskId) };
}
