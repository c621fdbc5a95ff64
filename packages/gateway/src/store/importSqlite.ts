import { type Client, DatabaseError } from 'pg';
import { OnetakeError } from '../tasks/errors.ts';
import type { FolderRow, FolderRows } from './folder/rows.ts';
import { jsonRows } from './jsonRows.ts';
import { LIVING_NODES } from './postgres/nodes.ts';

/** Every table that is imported, parents before children, and what to do if the database already has the row. */
export const IMPORTED_TABLES = {
  // A gateway that was started on the database for a moment has created a project, keys and secrets. The folder's must stay valid:
  // its projects have limits, its tasks refer to its keys, and links that were given out are signed with its secrets.
  projects: 'on conflict (id) do update set',
  keys: 'on conflict (hash) do update set',
  secrets: 'on conflict (name) do update set',
  tasks: '',
  attempts: '',
  ledger: '',
  ledger_summaries: '',
  // Without tasks, those of the database count nothing.
  quota_counters: 'on conflict (subject, period, currency) do update set',
  media: '',
  idempotency: '',
  audit: '',
  estimates: 'on conflict (kind) do update set',
  // With new places: cursors of the folder are not those of the database.
  events: '',
  webhook_endpoints: '',
  // Those of projects, which a gateway that was started for a moment may have created.
  webhook_secrets: 'on conflict (project_id, endpoint_id) do update set',
  webhook_deliveries: '',
} as const;

export type ImportedTable = keyof typeof IMPORTED_TABLES;

const TABLES = Object.keys(IMPORTED_TABLES) as ImportedTable[];
/** Tables that have no rows in an empty database. */
const OWN = [
  'tasks',
  'attempts',
  'ledger',
  'ledger_summaries',
  'media',
  'idempotency',
  'events',
  'webhook_endpoints',
  'webhook_deliveries',
] as const satisfies ImportedTable[];
/** Tables in which the database may have had rows, which are compared row by row with the folder's. */
const SHARED = { projects: ['id'], keys: ['id'], quota_counters: ['subject', 'period', 'currency'] } as const;
/** The row of `secrets` that records which folder was imported. */
const MARK = 'imported-from';

type Target = Pick<Client, 'query'>;

export interface ImportParts {
  readonly source: FolderRows;
  readonly target: Target;
  /** The permanent id of the folder. */
  readonly installation: string;
  /** Called when all rows are written and checked, right before the commit: marks the folder as moved, durably. */
  readonly giveUp: () => void;
  readonly onTable?: (table: ImportedTable, rows: number) => void;
  /** Called with a row that the database cannot store, such as one with a time that is not a number. It stays in the folder. */
  readonly onSetAside?: (table: ImportedTable, row: FolderRow, reason: string) => void;
}

/**
 * Copies every row of an embedded data folder into an empty PostgreSQL database. No other process may have the folder open. It is one
 * transaction: an interruption leaves nothing, and a gateway that starts meanwhile does not see a part of it. Resolves with false if
 * the folder was imported before. Throws a 409 if the database has other tasks, or if gateways run on it.
 */
export async function importSqlite(parts: ImportParts): Promise<boolean> {
  const { source, target, installation, giveUp, onTable } = parts;
  await target.query('begin');
  try {
    // Starting gateways wait here until the import is over: they would create secrets, or adopt the first of the tasks.
    await target.query(
      `set local lock_timeout = '10s'; lock table ${TABLES.join(', ')} in share row exclusive mode`,
    );
    await refuseRunning(target);
    const done = await isImported(target, installation);
    if (!done) {
      const setAside = new Map<ImportedTable, number>();
      for (const table of TABLES) {
        const { copied, left } = await copy(parts, table);
        setAside.set(table, left);
        onTable?.(table, copied);
      }
      await verify(source, target, setAside);
      await verifyShared(source, target, setAside);
      await target.query('insert into secrets (name, value) values ($1, $2)', [MARK, installation]);
    }
    // Before the commit: if the response to it is lost, the folder must not be used any more.
    giveUp();
    await target.query('commit');
    return !done;
  } catch (error) {
    await target.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Throws the reason why an import is not allowed, before anything is prepared for it. */
export async function refuseImport(target: Target, installation: string | undefined): Promise<void> {
  await refuseRunning(target);
  await isImported(target, installation);
}

async function refuseRunning(target: Target): Promise<void> {
  const { rows } = await target.query<{ name: string }>(LIVING_NODES);
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(', ');
  const message = `Stop every gateway on this database first: ${names}. Each has read secrets that the import replaces.`;
  throw new OnetakeError('gateways_running', 409, message);
}

/** Whether this folder was imported before. Throws if the database has other tasks. */
async function isImported(target: Target, installation: string | undefined): Promise<boolean> {
  const mark = await target.query<{ value: string }>('select value from secrets where name = $1', [MARK]);
  const [from] = mark.rows;
  if (from && from.value === installation) return true;
  const { rows } = await target.query<{ own: boolean }>(
    `select ${OWN.map((table) => `exists (select from ${table})`).join(' or ')} as own`,
  );
  if (!from && !rows[0]?.own) return false;
  const message =
    'The database has tasks of its own, or those of another data folder; import into an empty one, and start gateways afterwards.';
  throw new OnetakeError('database_not_empty', 409, message);
}

/** Copies a table. Resolves with the number of rows copied, and of rows that the database cannot store. */
async function copy(parts: ImportParts, table: ImportedTable): Promise<{ copied: number; left: number }> {
  const { source, target, onSetAside } = parts;
  const insert = insertInto(table, source.columns(table));

  /** Inserts rows. A batch that is refused is halved until the bad rows are isolated. */
  async function put(rows: readonly FolderRow[]): Promise<number> {
    await target.query('savepoint rows');
    try {
      await target.query(insert, [jsonRows(rows)]);
      await target.query('release rows');
      return rows.length;
    } catch (error) {
      if (!isUnfit(error)) throw error;
      await target.query('rollback to rows; release rows');
      const [row] = rows;
      if (row && rows.length === 1) {
        onSetAside?.(table, row, error.message);
        return 0;
      }
      const half = Math.ceil(rows.length / 2);
      return (await put(rows.slice(0, half))) + (await put(rows.slice(half)));
    }
  }

  let copied = 0;
  let all = 0;
  for (const rows of source.batches(table)) {
    copied += await put(rows);
    all += rows.length;
  }
  return { copied, left: all - copied };
}

function insertInto(table: ImportedTable, names: readonly string[]): string {
  const columns = names.join(', ');
  const conflict: string = IMPORTED_TABLES[table];
  const replaced = conflict.endsWith('set')
    ? names.map((name) => `${name} = excluded.${name}`).join(', ')
    : '';
  return `insert into ${table} (${columns})
    select ${columns} from json_populate_recordset(null::${table}, $1::json) ${conflict} ${replaced}`;
}

/** Classes 22 and 23 of SQLSTATE: the values of a row are invalid or violate a constraint. */
const isUnfit = (error: unknown): error is DatabaseError =>
  error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');

/** Compares the row counts and ledger sums of the folder and the database. Throws if they differ. */
async function verify(
  source: FolderRows,
  target: Target,
  setAside: ReadonlyMap<ImportedTable, number>,
): Promise<void> {
  // The database's rows and those set aside must add up to the folder's.
  const counts = (more: (table: ImportedTable) => number) =>
    OWN.map((table) => `(select count(*) from ${table}) + ${more(table)} as ${table}`);
  const sums = ['hold', 'capture', 'release'].map(
    (kind) =>
      `(select cast(coalesce(sum(amount_micros), 0) as text) from ledger_entries where kind = '${kind}') as ${kind}`,
  );
  // A ledger row that was set aside may have an amount that is not a number.
  const compared = setAside.get('ledger') || setAside.get('ledger_summaries') ? [] : sums;
  const there = `select ${[...counts(() => 0), ...compared].join(', ')}`;
  const here = `select ${[...counts((table) => setAside.get(table) ?? 0), ...compared].join(', ')}`;
  const { rows } = await target.query<Record<string, unknown>>(here);
  const text = (row: Readonly<Record<string, unknown>> | undefined) =>
    Object.entries(row ?? {})
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const [folder, database] = [text(source.get(there)), text(rows[0])];
  if (folder === database) return;
  const message = `The rows differ after the import, and nothing was moved: the folder has ${folder}; the database would have ${database}.`;
  throw new OnetakeError('import_differs', 500, message);
}

/** Throws if a row of the tables that the database had rows of is not as the folder has it. */
async function verifyShared(
  source: FolderRows,
  target: Target,
  setAside: ReadonlyMap<ImportedTable, number>,
): Promise<void> {
  for (const table of ['projects', 'keys', 'quota_counters'] as const) {
    const listed = (row: string) =>
      source
        .columns(table)
        .map((name) => `${row}.${name}`)
        .join(', ');
    const alike = `select count(*)::int as n
      from json_populate_recordset(null::${table}, $1::json) f join ${table} d using (${SHARED[table].join(', ')})
      where (${listed('d')}) is not distinct from (${listed('f')})`;
    // A row that was set aside may be one that the database cannot read.
    if (setAside.get(table)) continue;
    let missing = 0;
    for (const rows of source.batches(table)) {
      const { rows: found } = await target.query<{ n: number }>(alike, [jsonRows(rows)]);
      missing += rows.length - (found[0]?.n ?? 0);
    }
    if (missing === 0) continue;
    const message = `${missing} rows of ${table} differ after the import, and nothing was moved.`;
    throw new OnetakeError('import_differs', 500, message);
  }
}
