import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Store } from '@onetake/gateway';
import { Client } from 'pg';
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import type { Figure } from './figures.ts';

const execute = promisify(execFile);
/** Runs SQL so many times, and prints the milliseconds of each. What is lost with the machine is made again. */
const RUN_SQL = `
  const db = new (require('node:sqlite').DatabaseSync)(process.argv[1], { timeout: 60000 });
  db.exec('pragma synchronous = off; pragma cache_size = -1000000; pragma temp_store = memory');
  const took = [];
  for (let time = 0; time < Number(process.argv[3]); time++) {
    const began = performance.now();
    db.exec(process.argv[2]);
    took.push(performance.now() - began);
  }
  console.log(JSON.stringify(took))`;

/** A store of a checkout with a database of its own. */
export interface Opened {
  readonly store: Store;
  /** Closes the store and opens it again. `store` is closed then. */
  readonly reopen: () => Promise<Store>;
  /** Runs SQL beside it, once by default. Resolves with the milliseconds of each time. */
  readonly run: (sql: string, times?: number) => Promise<readonly number[]>;
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
    async run(sql, times = 1) {
      // In a process of its own: a second SQLite in this one would release the locks of the store's.
      const { stdout } = await execute(process.execPath, ['-e', RUN_SQL, path, sql, String(times)]);
      return JSON.parse(stdout) as number[];
    },
    bytes: async () => (await stat(path)).size,
  };
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

async function reopened(
  opened: AsyncDisposableStack,
  open: () => Promise<Store>,
): Promise<Pick<Opened, 'store' | 'reopen'>> {
  const store = await open();
  let now = store;
  opened.defer(() => now.close());
  return {
    store,
    async reopen() {
      await now.close();
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
