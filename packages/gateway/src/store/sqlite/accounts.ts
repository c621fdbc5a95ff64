import { accountRows } from '../accountRows.ts';
import type { LimitStore } from '../store.ts';
import type { StateColumns } from './operations/others.ts';
import type { SqliteParts } from './parts.ts';

/** Stores what the only node knows about its accounts, for its next start and for the command line. */
export function sqliteAccounts({ db, read, write }: SqliteParts): LimitStore {
  const state = db.prepare<[string], StateColumns>('select * from account_state where account_id = ?');
  const lingering = db.prepare<[number], { account_id: string; task_id: string; place_until: number }>(
    'select account_id, task_id, place_until from attempts where place_until > ?',
  );

  /** If the wall clock was set back meanwhile, the wait must not become longer. */
  const waitOf = ({ blocked_until, updated_at }: StateColumns, now: number): number =>
    Math.max(0, Math.min(blocked_until - now, blocked_until - updated_at));

  return {
    async accounts() {
      const { states, counts } = await read.accounts();
      return accountRows(states, counts);
    },
    async troubles(ids) {
      const now = Date.now();
      return ids.flatMap((account) => {
        const row = state.get(account);
        if (!row) return [];
        const { failures, reason, revision } = row;
        return [{ account, failures, waitMs: waitOf(row, now), reason: reason ?? undefined, revision }];
      });
    },
    reportTrouble: (account, trouble) => write.reportTrouble(account, trouble, Date.now()),
    async lingeringPlaces(now) {
      return lingering
        .all(now)
        .map((row) => ({ account: row.account_id, taskId: row.task_id, until: row.place_until }));
    },
    retryAccount: write.retryAccount,
  };
}
