import { type AccountColumns, type AccountCount, accountRows } from '../accountRows.ts';
import type { LimitStore } from '../store.ts';
import { shareAccounts } from './accountShares.ts';
import type { PostgresParts } from './parts.ts';
import { SQL } from './statements.ts';

export function postgresAccounts({ connections, node }: PostgresParts): LimitStore {
  const { run, read, transaction } = connections;
  return {
    shareAccounts: (reporter, reports) =>
      transaction((inside) =>
        shareAccounts(
          { query: async (text, values) => ({ rows: await inside({ text }, values) }) },
          reporter,
          reports,
        ),
      ),
    async accounts() {
      const [states, counts] = await Promise.all([
        read<AccountColumns>(SQL.accountStates),
        read<AccountCount>(SQL.accountCounts),
      ]);
      return accountRows(states, counts);
    },
    retryAccount: async (id, audit) =>
      (await run(SQL.retryAccount, [id, JSON.stringify(audit), node()])).length > 0,
  };
}
