import type { Client } from 'pg';
import { OnetakeError } from '../tasks/errors.ts';
import type { FolderRows } from './folderRows.ts';
import { jsonRows } from './postgresText.ts';
import { LIVING_NODES } from './sessionLock.ts';

/** Every table that is moved, parents before children, and what is done where the database has such a row already. */
export const IMPORTED_TABLES = {
  // A gateway that was started on the database for a moment has made a project, keys and secrets of its own. The folder's
  // stay valid: its keys are those that its tasks name, its secrets sign the links that were given out.
  projects: 'on conflict (id) do nothing',
  keys: 'on conflict (hash) do update set',
  secrets: 'on conflict (name) do update set',
  tasks: '',
  attempts: '',
  ledger: '',
  media: '',
  idempotency: '',
  audit: '',
} as const;

export type ImportedTable = keyof typeof IMPORTED_TABLES;

const TABLES = Object.keys(IMPORTED_TABLES) as ImportedTable[];
/** Those in which an empty database has nothing. */
const OWN = ['tasks', 'attempts', 'ledger', 'media', 'idempotency'] as const satisfies ImportedTable[];
/** Under this name the database remembers which folder it was filled from. */
const MARK = 'imported-from';

type Target = Pick<Client, 'query'>;

export interface ImportParts {
  readonly source: FolderRows;
  readonly target: Target;
  /** Names the folder for ever. */
  readonly installation: string;
  /** Called when all rows are written and checked, right before they count: gives up the folder, durably. */
  readonly giveUp: () => void;
  readonly onTable?: (table: ImportedTable, rows: number) => void;
}

/**
 * Moves every row of an embedded data folder, which nobody else may have open, into an empty PostgreSQL database, in one
 * transaction: an interruption leaves nothing, and no gateway that starts meanwhile sees a part. False: it was done before.
 * Throws a 409 where the database has tasks of its own, or gateways run on it.
 */
export async function importSqlite(parts: ImportParts): Promise<boolean> {
  const { source, target, installation, giveUp, onTable } = parts;
  await target.query('begin');
  try {
    // Starts of gateways wait here until it is over: they would make secrets, or adopt the first tasks of many.
    await target.query(
      `set local lock_timeout = '10s'; lock table ${TABLES.join(', ')} in share row exclusive mode`,
    );
    await refuseRunning(target);
    const done = await isImported(target, installation);
    if (!done) {
      for (const table of TABLES) {
        const rows = await copy(parts, table);
        onTable?.(table, rows);
      }
      await verify(source, target);
      await target.query('insert into secrets (name, value) values ($1, $2)', [MARK, installation]);
    }
    // Before the commit, since after one whose answer was lost the folder must not be driven any more.
    giveUp();
    await target.query('commit');
    return !done;
  } catch (error) {
    await target.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Throws what forbids an import, before anything is made ready for it. */
export async function refuseImport(target: Target, installation: string | undefined): Promise<void> {
  await refuseRunning(target);
  await isImported(target, installation);
}

async function refuseRunning(target: Target): Promise<void> {
  const { rows } = await target.query<{ name: string }>(LIVING_NODES);
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(', ');
  const message = `Stop every gateway on this database first: ${names}. Each has read secrets that the folder's take the place of.`;
  throw new OnetakeError('gateways_running', 409, message);
}

/** Whether this very folder is in the database. Throws where other things are. */
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

async function copy({ source, target }: ImportParts, table: ImportedTable): Promise<number> {
  const names = source.columns(table);
  const columns = names.join(', ');
  const conflict: string = IMPORTED_TABLES[table];
  const replaced = conflict.endsWith('set')
    ? names.map((name) => `${name} = excluded.${name}`).join(', ')
    : '';
  let copied = 0;
  for (const rows of source.batches(table)) {
    await target.query(
      `insert into ${table} (${columns})
       select ${columns} from json_populate_recordset(null::${table}, $1::json) ${conflict} ${replaced}`,
      [jsonRows(rows)],
    );
    copied += rows.length;
  }
  return copied;
}

/** What must be the same on both sides before the folder is given up. */
async function verify(source: FolderRows, target: Target): Promise<void> {
  const counts = OWN.map((table) => `(select count(*) from ${table}) as ${table}`);
  const sums = ['hold', 'capture', 'release'].map(
    (kind) =>
      `(select cast(coalesce(sum(amount_micros), 0) as text) from ledger where kind = '${kind}') as ${kind}`,
  );
  const sql = `select ${[...counts, ...sums].join(', ')}`;
  const { rows } = await target.query<Record<string, unknown>>(sql);
  const text = (row: Readonly<Record<string, unknown>> | undefined) =>
    Object.entries(row ?? {})
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const [there, here] = [text(source.get(sql)), text(rows[0])];
  if (there === here) return;
  const message = `The rows differ after the import, and nothing was moved: the folder has ${there}; the database would have ${here}.`;
  throw new OnetakeError('import_differs', 500, message);
}
