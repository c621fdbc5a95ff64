import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import type { Store } from '@onetake/gateway';
import { Client } from 'pg';
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import type { Figure } from './figures.ts';

type Row = Readonly<Record<string, unknown>>;

/** Statements of one connection, and what they are to do. */
interface Work {
  readonly path: string;
  /** Runs each this many times. The answer has the milliseconds of each time. */
  readonly times: number;
  readonly statements: readonly string[];
  /** Queries: the answer has their rows instead. */
  readonly queries?: readonly string[];
  /** The tables that are filled: their indexes and triggers are gone meanwhile, and so is all that protects the file. */
  readonly fills?: readonly string[];
}

/** Does work that it reads from its standard input. In a process of its own: a second SQLite in this one would release the store's locks. */
const RUN_SQL = `
  const { path, times, statements, queries, fills } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  const db = new (require('node:sqlite').DatabaseSync)(path, { timeout: 60000, enableForeignKeyConstraints: !fills });
  db.exec('pragma synchronous = off; pragma cache_size = -2000000; pragma temp_store = memory');
  const took = [];
  const later = !fills ? [] : db.prepare(
    "select type, name, sql from sqlite_master where sql is not null and type in ('index', 'trigger') and tbl_name in (select value from json_each(?))"
  ).all(JSON.stringify(fills));
  if (fills) db.exec('pragma journal_mode = memory; pragma locking_mode = exclusive');
  for (const { type, name } of later) db.exec('drop ' + type + ' ' + name);
  for (const sql of statements) for (let time = 0; time < times; time++) {
    const began = performance.now();
    db.exec(sql);
    took.push(performance.now() - began);
  }
  for (const { sql } of later) db.exec(sql);
  if (fills) db.exec('pragma locking_mode = normal; pragma journal_mode = wal');
  console.log(JSON.stringify(queries ? queries.map((sql) => db.prepare(sql).all()) : took))`;

/** A store of a checkout with a database of its own. */
export interface Opened {
  readonly store: Store;
  /** Closes the store and opens it again. `store` is closed then. */
  readonly reopen: () => Promise<Store>;
  /** Runs SQL beside it, once by default. Resolves with the milliseconds of each time. */
  readonly run: (sql: string, times?: number) => Promise<readonly number[]>;
  /** The rows of each query, beside the store. */
  readonly read: (queries: readonly string[]) => Promise<readonly (readonly Row[])[]>;
  /**
   * Runs statements that fill tables, quickly: without a store, without triggers, and with the indexes made afterwards. What is lost with the
   * machine is made again. Reopen the store then.
   */
  readonly fill: (tables: readonly string[], statements: readonly string[]) => Promise<void>;
  /** A relation with the numbers from `first`, which is 0 by default, named `numbers`, for the head of a statement. */
  readonly numbers: (count: number, first?: number) => string;
  /** The size of its database on the disk. */
  readonly bytes: () => Promise<number>;
}

const found = async (checkout: string, path: string) =>
  import(pathToFileURL(join(resolve(checkout), 'packages/gateway/src/store', path)).href);

const KINDS = { SQLite: openSqlite, PostgreSQL: openPostgres } as const;
export type Kind = keyof typeof KINDS;
export const isKind = (name: string): name is Kind => name in KINDS;

/** Opens each kind of store in turn, or only one, and ends it. */
export async function withStores(
  checkout: string,
  work: (name: Kind, opened: Opened) => Promise<void>,
  only?: Kind,
): Promise<void> {
  for (const [name, open] of Object.entries(KINDS)) {
    if (!isKind(name) || (only ?? name) !== name) continue;
    await using opened = new AsyncDisposableStack();
    await work(name, await open(checkout, opened));
  }
}

async function openSqlite(checkout: string, opened: AsyncDisposableStack): Promise<Opened> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const { openSqliteStore } = await found(checkout, 'sqlite/store.ts');
  const stores = await reopened(opened, () => openSqliteStore({ dir, exclusive: true }));
  const path = join(dir, 'onetake.db');
  return {
    ...stores,
    numbers: (count, first = 0) =>
      `with recursive numbers (n) as (select ${first} union all select n + 1 from numbers where n + 1 < ${first + count})`,
    run: async (sql, times = 1) => (await runInProcess({ path, times, statements: [sql] })) as number[],
    read: async (queries) => (await runInProcess({ path, times: 1, statements: [], queries })) as Row[][],
    async fill(fills, statements) {
      await stores.close();
      await runInProcess({ path, times: 1, statements, fills });
    },
    bytes: async () => (await stat(path)).size,
  };
}

async function runInProcess(work: Work): Promise<unknown> {
  const child = spawn(process.execPath, ['-e', RUN_SQL], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  child.stdin.end(JSON.stringify(work));
  const said = await text(child.stdout);
  const [code] = await ended;
  if (code !== 0) throw new Error(`SQLite ended with ${code}`);
  return JSON.parse(said);
}

async function openPostgres(checkout: string, opened: AsyncDisposableStack): Promise<Opened> {
  const server = await startPostgres({ durable: true });
  opened.defer(() => server.close());
  const url = await createDatabase(server.url);
  const { openPostgresStore } = await found(checkout, 'postgres/store.ts');
  const cluster = { node: 'node-1' };
  const stores = await reopened(opened, () =>
    openPostgresStore({ url, cluster, poolSize: 4, namedStatements: true }),
  );
  const client = new Client(url);
  await client.connect();
  opened.defer(() => client.end());
  return {
    ...stores,
    numbers: (count, first = 0) =>
      `with numbers (n) as (select generate_series(${first}, ${first + count - 1}))`,
    async read(queries) {
      const all: Row[][] = [];
      // The driver would give 64-bit integers as text.
      for (const sql of queries) {
        const { rows } = await client.query(`select row_to_json(r) as row from (${sql}) r`);
        all.push(rows.map(({ row }) => row));
      }
      return all;
    },
    async fill(tables, statements) {
      await stores.close();
      await fillPostgres(client, tables, statements);
    },
    async run(sql, times = 1) {
      const took: number[] = [];
      for (let time = 0; time < times; time++) {
        const began = performance.now();
        await client.query(sql);
        took.push(performance.now() - began);
      }
      return took;
    },
    async bytes() {
      const { rows } = await client.query('select pg_database_size(current_database()) as bytes');
      return Number(rows[0]?.bytes);
    },
  };
}

/** Settings that the server takes while it runs. */
const UNSAFE = { fsync: 'off', full_page_writes: 'off', autovacuum: 'off', max_wal_size: "'4GB'" };

async function fillPostgres(client: Client, tables: readonly string[], statements: readonly string[]) {
  const run = (sql: string) => client.query(sql);
  for (const [name, value] of Object.entries(UNSAFE)) await run(`alter system set ${name} = ${value}`);
  await run('select pg_reload_conf()');
  // Neither triggers nor foreign keys.
  await run("set session_replication_role = replica; set maintenance_work_mem = '1GB'");
  const { rows: indexes } = await client.query<{ drop: string; make: string }>(MAKES_INDEXES, [tables]);
  for (const { drop } of indexes) await run(drop);
  for (const sql of statements) await run(sql);
  for (const { make } of indexes) await run(make);
  await run('reset session_replication_role');
  for (const name of Object.keys(UNSAFE)) await run(`alter system reset ${name}`);
  await run('select pg_reload_conf()');
  // A server does the first by itself.
  await run('vacuum analyze');
  await run('checkpoint');
}

/** Drops and makes the indexes of tables. Foreign keys need that of "tasks". */
const MAKES_INDEXES = `
  select 'alter table ' || conrelid::regclass || ' drop constraint ' || quote_ident(conname) as drop,
    'alter table ' || conrelid::regclass || ' add constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid) as make
  from pg_constraint where contype in ('p', 'u') and conrelid = any($1::text[]::regclass[]) and conrelid <> 'tasks'::regclass
  union all
  select 'drop index ' || indexrelid::regclass, pg_get_indexdef(indexrelid)
  from pg_index where indrelid = any($1::text[]::regclass[]) and not exists (select 1 from pg_constraint where conindid = indexrelid)`;

async function reopened(
  opened: AsyncDisposableStack,
  open: () => Promise<Store>,
): Promise<Pick<Opened, 'store' | 'reopen'> & { readonly close: () => Promise<void> }> {
  const store = await open();
  let now: Store | undefined = store;
  const close = async () => {
    await now?.close();
    now = undefined;
  };
  opened.defer(close);
  return {
    store,
    close,
    async reopen() {
      await close();
      now = await open();
      return now;
    },
  };
}

const TIMES = 20;

/** Times a query of a store. The figure is in milliseconds, and its name says how many rows the query has. */
export async function timeQuery(
  what: string,
  query: () => Promise<{ readonly length: number }>,
  aim?: Figure['aim'],
): Promise<Figure> {
  const rounds: number[] = [];
  let length = 0;
  for (let time = 0; time < TIMES; time++) {
    const began = performance.now();
    ({ length } = await query());
    rounds.push(performance.now() - began);
  }
  return { name: `${what}: ${length} rows`, unit: 'ms', rounds, ...(aim && { aim }) };
}
