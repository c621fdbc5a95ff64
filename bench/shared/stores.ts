import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Store } from '@onetake/gateway';
import { Client } from 'pg';
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import type { Figure } from './figures.ts';

const execute = promisify(execFile);
const RUN_SQL = `new (require('node:sqlite').DatabaseSync)(process.argv[1], { timeout: 60000 }).exec(process.argv[2])`;

/** A store of a checkout with a database of its own. */
export interface Opened {
  readonly store: Store;
  /** Runs SQL beside it. */
  readonly run: (sql: string) => Promise<void>;
  /** A relation with the numbers from 0, named `numbers`, for the head of a statement. */
  readonly numbers: (count: number) => string;
}

const found = async (checkout: string, path: string) =>
  import(pathToFileURL(join(resolve(checkout), 'packages/gateway/src/store', path)).href);

/** Opens each kind of store in turn, and ends it. */
export async function withStores(
  checkout: string,
  work: (name: 'SQLite' | 'PostgreSQL', opened: Opened) => Promise<void>,
): Promise<void> {
  for (const [name, open] of [
    ['SQLite', openSqlite],
    ['PostgreSQL', openPostgres],
  ] as const) {
    await using opened = new AsyncDisposableStack();
    await work(name, await open(checkout, opened));
  }
}

async function openSqlite(checkout: string, opened: AsyncDisposableStack): Promise<Opened> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const { openSqliteStore } = await found(checkout, 'sqlite/store.ts');
  const store: Store = await openSqliteStore({ dir, exclusive: true });
  opened.defer(() => store.close());
  return {
    store,
    numbers: (count) =>
      `with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n + 1 < ${count})`,
    async run(sql) {
      // In a process of its own: a second SQLite in this one would release the locks of the store's.
      await execute(process.execPath, ['-e', RUN_SQL, join(dir, 'onetake.db'), sql]);
    },
  };
}

async function openPostgres(checkout: string, opened: AsyncDisposableStack): Promise<Opened> {
  const server = await startPostgres({ durable: true });
  opened.defer(() => server.close());
  const url = await createDatabase(server.url);
  const { openPostgresStore } = await found(checkout, 'postgres/store.ts');
  const cluster = { node: 'node-1' };
  const store: Store = await openPostgresStore({ url, cluster, poolSize: 4, namedStatements: true });
  opened.defer(() => store.close());
  const client = new Client(url);
  await client.connect();
  opened.defer(() => client.end());
  return {
    store,
    numbers: (count) => `with numbers (n) as (select generate_series(0, ${count - 1}))`,
    async run(sql) {
      await client.query(sql);
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
