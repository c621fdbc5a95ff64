import type { Database } from 'better-sqlite3';
import { type AccountColumns, type AccountCount, accountRows } from '../accountRows.ts';
import type { AccountTrouble, LimitStore, LingeringPlace, StoredTrouble } from '../store.ts';
import type { SqliteParts } from './parts.ts';

interface StateColumns extends AccountColumns {
  readonly revision: number;
  readonly updated_at: number;
}

/** Stores what the only node knows about its accounts, for its next start and for the command line. */
function accountsIn(db: Database) {
  const state = db.prepare<[string], StateColumns>('select * from account_state where account_id = ?');
  const states = db.prepare<[], StateColumns>('select * from account_state order by account_id');
  const counts = db.prepare<[], AccountCount>(`
    select a.account_id, count(*) as n from tasks t join attempts a on a.task_id = t.id and a.number = t.attempt
    where t.phase in ('submitting', 'running') group by a.account_id order by a.account_id`);
  const put = db.prepare(`
    insert into account_state (account_id, failures, blocked_until, last_error, reason, failed_since, revision, updated_at)
    values (@account, @failures, @blockedUntil, @error, @reason, case when @failures > 0 then @now end, 1, @now)
    on conflict (account_id) do update set failures = excluded.failures, blocked_until = excluded.blocked_until,
      last_error = coalesce(excluded.last_error, last_error), reason = excluded.reason,
      failed_since = case when excluded.failures > 0 then coalesce(failed_since, excluded.failed_since) end,
      revision = revision + 1, updated_at = excluded.updated_at`);
  const lingering = db.prepare<[number], { account_id: string; task_id: string; place_until: number }>(
    'select account_id, task_id, place_until from attempts where place_until > ?',
  );
  const retry = db.prepare<[string]>(
    'update account_state set blocked_until = 0, revision = revision + 1 where account_id = ? and failures > 0',
  );

  function report(account: string, trouble: AccountTrouble, now: number): void {
    const { failures, waitMs, error = null, reason = null } = trouble;
    const blockedUntil = waitMs > 0 ? Math.ceil(now + waitMs) : 0;
    put.run({ account, failures, blockedUntil, error, reason, now });
  }

  /** If the wall clock was set back meanwhile, the wait must not become longer. */
  const waitOf = ({ blocked_until, updated_at }: StateColumns, now: number): number =>
    Math.max(0, Math.min(blocked_until - now, blocked_until - updated_at));

  return {
    report,
    troubles: (ids: readonly string[], now: number): StoredTrouble[] =>
      ids.flatMap((account) => {
        const row = state.get(account);
        if (!row) return [];
        const { failures, reason, revision } = row;
        return [{ account, failures, waitMs: waitOf(row, now), reason: reason ?? undefined, revision }];
      }),
    lingering: (now: number): LingeringPlace[] =>
      lingering
        .all(now)
        .map((row) => ({ account: row.account_id, taskId: row.task_id, until: row.place_until })),
    list: () => accountRows(states.all(), counts.all()),
    retry: (id: string): boolean => retry.run(id).changes > 0,
  };
}

export function sqliteAccounts({ sql, inGroup }: SqliteParts, db: Database): LimitStore {
  const accounts = accountsIn(db);
  return {
    accounts: async () => accounts.list(),
    troubles: async (ids) => accounts.troubles(ids, Date.now()),
    reportTrouble: (account, trouble) => inGroup(() => accounts.report(account, trouble, Date.now())),
    lingeringPlaces: async (now) => accounts.lingering(now),
    retryAccount: (id, audit) =>
      inGroup(() => {
        const tried = accounts.retry(id);
        if (tried) sql.insertAudit.run(audit);
        return tried;
      }),
  };
}
