import type { Store } from '@onetake/gateway';
import type { Kind, Opened } from '../shared/stores.ts';
import { ENDS, type End, type Varied, writeTask } from './oneTask.ts';

/**
 * SQL that makes rows of many tasks in the database. It is derived from what the store writes for one task of each end: every column of
 * every table has the value that is there, in which only the ids, times and names below are replaced. So rows have the form that the store
 * gives them, also after a migration.
 */
export interface Rows {
  /** The id of task `n`. */
  readonly idOf: (n: number) => string;
  /** Of every task: the table and a `select` from `numbers`, whose `n` are the tasks. */
  readonly all: readonly Insert[];
  /** What is kept of tasks for a week only. */
  readonly recent: readonly Insert[];
}

export interface Insert {
  readonly table: string;
  /** With the columns. */
  readonly head: string;
  readonly select: string;
}

export interface RowsOptions {
  /** When task 0 was accepted, milliseconds UTC; the others follow in this distance. */
  readonly began: number;
  readonly step: number;
  /** When the events and media of `recent` begin, as SQL. */
  readonly recentAt: string;
  /** Which tasks have which end, as SQL of `n`; the others have succeeded. */
  readonly running: string;
  readonly failed: string;
  /** Which tasks are of the model `rare`. */
  readonly rare: string;
}

type Row = Readonly<Record<string, unknown>>;

const hexOf = (text: string, times: number) => text.repeat(times);
/** Stand-ins that occur nowhere else. */
const TEMPLATE: Omit<Varied, 'at'> = {
  id: `video_${hexOf('aa11', 8)}`,
  projectId: 'project-of-template',
  keyId: 'key-of-template',
  model: 'model-of-template',
  user: 'user-of-template',
  accountId: 'account-of-template',
  idempotencyKey: hexOf('dd44', 8),
  upstreamId: 'job-of-template',
  videoId: hexOf('bb22', 8),
  posterId: hexOf('cc33', 8),
  sha256: hexOf('ee55', 16),
};
const TABLES = { tasks: 'id', attempts: 'task_id', ledger: 'task_id', task_metadata: 'task_id' } as const;
/** What refers to tasks. Their metadata goes with them. */
const REMOVE = ['attempts', 'ledger', 'media', 'events'];
const RECENT = { media: 'task_id', events: 'task_id' } as const;
export const FILLED: readonly string[] = Object.keys({ ...TABLES, ...RECENT });
/** The database assigns them. */
const ASSIGNED = ['seq', 'tx'];
const DAY = 86_400_000;

/** Writes tasks to copy, reads their rows and removes them. */
export async function rowsLike(
  kind: Kind,
  store: Store,
  { run, read }: Pick<Opened, 'run' | 'read'>,
  options: RowsOptions,
): Promise<Rows> {
  const at = Date.now();
  const sql = expressions(kind, options, at);
  const templates: Record<string, Partial<Record<End, readonly Row[]>>> = {};
  const tables = Object.entries({ ...TABLES, ...RECENT });
  for (const end of ENDS) {
    await writeTask(store, end, { ...TEMPLATE, at });
    const written = await read(
      tables.map(([table, column]) => `select * from ${table} where ${column} = '${TEMPLATE.id}'`),
    );
    for (const [n, [table]] of tables.entries())
      templates[table] = { ...templates[table], [end]: written[n] ?? [] };
    await run(REMOVE.map((table) => `delete from ${table} where task_id = '${TEMPLATE.id}'`).join(';'));
    await run(`delete from tasks where id = '${TEMPLATE.id}'`);
  }
  const insertsOf = (of: object, time: string) =>
    Object.keys(of).flatMap((table) => insertInto(table, templates[table] ?? {}, sql, time, options));
  return {
    idOf: (n) =>
      `video_${(options.began + n * options.step).toString(16).padStart(12, '0')}a${n.toString(16).padStart(19, '0')}`,
    all: insertsOf(TABLES, sql.at),
    recent: insertsOf(RECENT, `(${options.recentAt})`),
  };
}

/** One statement, so that the rows come in the order of the ids: the k-th row of a task is the k-th of its template. */
function insertInto(
  table: string,
  byEnd: Partial<Record<End, readonly Row[]>>,
  sql: ReturnType<typeof expressions>,
  time: string,
  { running, failed }: RowsOptions,
): readonly Insert[] {
  const most = Math.max(...ENDS.map((end) => byEnd[end]?.length ?? 0));
  if (most === 0) throw new Error(`the store has written nothing into ${table}`);
  const columns = Object.keys(ENDS.flatMap((end) => byEnd[end] ?? [])[0] ?? {}).filter(
    (name) => !ASSIGNED.includes(name),
  );
  const ofEnd = (expression: (end: End) => string) => {
    const [first, second, third] = ENDS.map(expression);
    if (first === second && second === third) return String(first);
    return `case when ${running} then ${first} when ${failed} then ${second} else ${third} end`;
  };
  const sqlOf = (column: string) => {
    if (table === 'events' && column === 'id') return sql.eventId;
    const ofRow = (k: number) => ofEnd((end) => sql.of(byEnd[end]?.[k]?.[column] ?? null, time));
    const values = Array.from({ length: most }, (_, k) => ofRow(k));
    if (new Set(values).size === 1) return String(values[0]);
    return `case k ${values.map((value, k) => `when ${k} then ${value}`).join(' ')} end`;
  };
  const counted = Array.from({ length: most }, (_, k) => `select ${k} as k`).join(' union all ');
  return [
    {
      table,
      head: `insert into ${table} (${columns.join(', ')})`,
      select: `select ${columns.map(sqlOf).join(', ')} from numbers cross join (${counted}) ks
        where k < ${ofEnd((end) => String(byEnd[end]?.length ?? 0))}`,
    },
  ];
}

/** SQL for what takes the place of the stand-ins. */
function expressions(kind: Kind, { began, step, rare }: RowsOptions, templateAt: number) {
  const hex = (expression: string, digits: number) =>
    kind === 'SQLite'
      ? `printf('%0${digits}x', ${expression})`
      : `lpad(to_hex(${expression}), ${digits}, '0')`;
  const n = 'cast(n as bigint)';
  const at = `(${began} + ${n} * ${step})`;
  // Ids begin with the time, as the gateway's do; what others make does not. The odd factor gives each `n` another number.
  const inOrder = (mark: string) => `${hex(at, 12)} || '${mark}' || ${hex(n, 19)}`;
  const mixed = hex(`((${n} * 2654435761) % 4294967296)`, 8);
  const places: Readonly<Record<keyof typeof TEMPLATE, string>> = {
    id: `'video_' || ${inOrder('a')}`,
    projectId: `'large'`,
    keyId: `'key-' || (n % 5)`,
    model: `case when ${rare} then 'rare' else 'model-' || (n % 10) end`,
    user: 'cast(n / 100 as text)',
    accountId: `'account-' || (n % 3)`,
    idempotencyKey: inOrder('b'),
    upstreamId: `'job-' || ${mixed} || ${hex(n, 12)}`,
    videoId: inOrder('c'),
    posterId: inOrder('d'),
    sha256: `${mixed} || '${'0f'.repeat(28)}'`,
  };
  const byText = new Map(Object.entries(places).map(([name, sql]) => [Reflect.get(TEMPLATE, name), sql]));
  const pattern = new RegExp(`(${[...byText.keys(), String.raw`\b\d{13}\b`].join('|')})`);

  const isTime = (value: number) => Math.abs(value - templateAt) < 30 * DAY;
  const timeOf = (value: number, time: string) => `(${time} + ${value - templateAt})`;
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  function partOf(text: string, time: string): string {
    const place = byText.get(text);
    if (place !== undefined) return `(${place})`;
    return /^\d{13}$/.test(text) && isTime(Number(text))
      ? `cast(${timeOf(Number(text), time)} as text)`
      : quoted(text);
  }
  return {
    at,
    /** The gateway's are hashes. */
    eventId: `'evt_' || ${mixed} || ${hex(n, 22)} || ${hex('k', 2)}`,
    /** The SQL for what a template has in a column. */
    of(value: unknown, time: string): string {
      if (value === null) return 'null';
      if (typeof value === 'number') return isTime(value) ? timeOf(value, time) : String(value);
      const parts = String(value)
        .split(pattern)
        .filter((part) => part !== '')
        .map((part) => partOf(part, time));
      return parts.length === 0 ? `''` : parts.join(' || ');
    },
  };
}
