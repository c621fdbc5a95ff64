import Database from 'better-sqlite3';
import { sqlitePath } from '../../src/store/sqlite/file.ts';
import type { Store, StoredLedgerRow } from '../../src/store/store.ts';
import { connect } from './servers/database.ts';

/** A store with its ledger, which the gateway only writes. */
export interface StoreWithLedger extends Store {
  /** The ledger rows of a task in the order of their writing. */
  ledger(taskId: string): Promise<readonly StoredLedgerRow[]>;
}

const COLUMNS = `task_id as "taskId", kind, project_id as "projectId", key_id as "keyId", amount_micros as "amountMicros", currency,
  created_at as "createdAt"`;

/** The ledger rows of a task in the database of a data folder. */
export function ledgerInFolder(dir: string, taskId: string): readonly StoredLedgerRow[] {
  const db = new Database(sqlitePath(dir), { readonly: true });
  try {
    return db
      .prepare<[string], StoredLedgerRow>(
        `select ${COLUMNS} from ledger where task_id = ? order by created_at, kind desc`,
      )
      .all(taskId);
  } finally {
    db.close();
  }
}

/** The types of a task's events in the database of a data folder, in the order of their writing. */
export function eventsInFolder(dir: string, taskId: string): readonly string[] {
  const db = new Database(sqlitePath(dir), { readonly: true });
  try {
    return db
      .prepare<[string], string>('select type from events where task_id = ? order by seq')
      .pluck()
      .all(taskId) as string[];
  } finally {
    db.close();
  }
}

/** The ledger rows of a task in a PostgreSQL database. */
export async function ledgerInDatabase(url: string, taskId: string): Promise<readonly StoredLedgerRow[]> {
  const client = await connect(url);
  const { rows } = await client.query<StoredLedgerRow>(
    `select ${COLUMNS} from ledger where task_id = $1 order by created_at, kind desc`,
    [taskId],
  );
  // The driver returns `bigint` as text.
  return rows.map((row) => ({
    ...row,
    amountMicros: Number(row.amountMicros),
    createdAt: Number(row.createdAt),
  }));
}

/** Amounts by kind. There is at most one row of each kind, by the primary key of the table. */
export function sums(rows: readonly StoredLedgerRow[]): Record<string, number> {
  return Object.fromEntries(rows.map(({ kind, amountMicros }) => [kind, amountMicros]));
}
