import type { AccountRow } from './store.ts';

export interface AccountColumns {
  readonly account_id: string;
  readonly failures: number;
  readonly blocked_until: number;
  readonly last_error: string | null;
  readonly reason: string | null;
  readonly failed_since: number | null;
}

/** Number of tasks that an account has upstream. */
export interface AccountCount {
  readonly account_id: string;
  readonly n: number;
}

/** Reads an account's state from a row of either store. */
const accountFromColumns = (row: AccountColumns, inFlight: ReadonlyMap<string, number>): AccountRow => ({
  account: row.account_id,
  failures: row.failures,
  blockedUntil: row.blocked_until,
  inFlight: inFlight.get(row.account_id) ?? 0,
  ...(row.reason === null ? {} : { reason: row.reason }),
  ...(row.last_error === null ? {} : { error: row.last_error }),
  ...(row.failed_since === null ? {} : { failedSince: row.failed_since }),
});

/** The accounts with a stored state, followed by the other accounts that have tasks upstream. */
export function accountRows(
  states: readonly AccountColumns[],
  counts: readonly AccountCount[],
): readonly AccountRow[] {
  const inFlight = new Map(counts.map(({ account_id, n }) => [account_id, n]));
  const known = new Set(states.map(({ account_id }) => account_id));
  const others = counts.filter(({ account_id }) => !known.has(account_id));
  return [
    ...states.map((row) => accountFromColumns(row, inFlight)),
    ...others.map(({ account_id, n }) => ({
      account: account_id,
      failures: 0,
      blockedUntil: 0,
      inFlight: n,
    })),
  ];
}
