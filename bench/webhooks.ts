import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Store } from '@onetake/gateway';
import { Client } from 'pg';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { createDatabase, startPostgres } from '../scripts/servers/postgres.ts';
import { distributionOf } from './shared/distribution.ts';

/**
 * What it costs a store to take the webhook deliveries that are due while many are pending, and to list few of many:
 *
 *   npm run bench:webhooks -- [--pending 100000] [--lanes 10000] [--rows 1000000] [--against ../another-checkout]
 *
 * With `--against`, the stores of another checkout are measured beside those of this one. Milliseconds.
 */
const options = optionsOf(
  {
    pending: { type: 'string', default: '100000' },
    lanes: { type: 'string', default: '10000' },
    rows: { type: 'string', default: '1000000' },
    against: { type: 'string' },
  },
  'bench:webhooks [--pending 100000] [--lanes 10000] [--rows 1000000] [--against checkout]',
  { numbers: ['pending', 'lanes', 'rows'] },
);
const [pending, lanes, rows] = [options.pending, options.lanes, options.rows].map(Number) as [
  number,
  number,
  number,
];
const NOW = 1_800_000_000_000;
const TIMES = 20;
const execute = promisify(execFile);
const RUN_SQL = `new (require('node:sqlite').DatabaseSync)(process.argv[1], { timeout: 60000 }).exec(process.argv[2])`;
/** What a sender with nothing in flight asks for. */
const ROOM = { leaseMs: 30_000, limit: 256, perLane: 2, perProject: 64, inLane: {}, inProject: {} };

const COLUMNS =
  'id, event_id, type, project_id, task_id, endpoint_id, lane, url, state, tries, next_at, created_at';
/** Deliveries of which none is due for an hour, over all lanes. `n` counts them from 0. */
const PENDING = `
  select 'whd_p' || n, 'evt_' || n, 'video.failed', 'project ' || (n % ${lanes} / 10), 'video_' || n, 'whep_' || (n % ${lanes}),
    'whep_' || (n % ${lanes}), 'https://example.com', 'pending', 1, ${NOW} + 3600000 + n % 1000, ${NOW} from numbers`;
/** Of one project; nearly all were delivered, to one endpoint. The few others are the oldest. */
const LOG = `
  select 'whd_' || (1000000000 + n), 'evt_l' || n, 'video.failed', 'large', 'video_' || n, case when n < 10 then 'whep_rare' else 'whep_busy' end,
    'whep_busy', 'https://example.com', case when n < 20 then 'dead' else 'delivered' end, 1, ${NOW}, ${NOW} from numbers`;

interface Opened {
  readonly store: Store;
  /** Runs SQL beside it. */
  readonly run: (sql: string) => Promise<void>;
  /** A relation with the numbers from 0, named `numbers`, for the head of a statement. */
  readonly numbers: (count: number) => string;
}

const found = async (checkout: string, path: string) =>
  import(pathToFileURL(join(resolve(checkout), 'packages/gateway/src/store', path)).href);

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

async function measure(name: string, { store, run, numbers }: Opened): Promise<void> {
  const fill = async (count: number, rows: string) => {
    const insert = `insert into webhook_deliveries (${COLUMNS})`;
    await run(`${name === 'SQLite' ? `${insert} ${numbers(count)}` : `${numbers(count)} ${insert}`} ${rows}`);
    await run('analyze');
  };
  const report = async (what: string, work: () => Promise<{ readonly length: number }>) => {
    const took: number[] = [];
    let length = 0;
    for (let time = 0; time < TIMES; time++) {
      const began = performance.now();
      ({ length } = await work());
      took.push(performance.now() - began);
    }
    const { p50, p99 } = distributionOf(took) ?? { p50: Number.NaN, p99: Number.NaN };
    console.log(
      `${name.padEnd(11)}${what.padEnd(34)}${String(length).padStart(5)}${p50.toFixed(1).padStart(10)}${p99.toFixed(1).padStart(10)}`,
    );
  };
  await fill(pending, PENDING);
  await report('take, none is due', () => store.claimDeliveries({ ...ROOM, now: NOW }));
  await run(`update webhook_deliveries set next_at = ${NOW} where lane in ('whep_0', 'whep_${lanes - 1}')`);
  await report('take, two lanes are due', () =>
    store.claimDeliveries({ ...ROOM, limit: 2, perLane: 1, now: NOW }),
  );
  await run(`update webhook_deliveries set next_at = ${NOW}`);
  await report('take, all are due', () => store.claimDeliveries({ ...ROOM, now: NOW }));

  await run('delete from webhook_deliveries');
  await fill(rows, LOG);
  const list = (filter: object) => () => store.deliveries({ projectId: 'large', limit: 21, ...filter });
  await report('list, all', list({}));
  await report('list, dead', list({ state: 'dead' }));
  await report('list, pending', list({ state: 'pending' }));
  await report('list, rare endpoint', list({ endpointId: 'whep_rare' }));
  await report('list, rare endpoint, delivered', list({ endpointId: 'whep_rare', state: 'delivered' }));
  await report('list, busy endpoint', list({ endpointId: 'whep_busy' }));
  await report('list, busy endpoint, dead', list({ endpointId: 'whep_busy', state: 'dead' }));
  await report('list, a task', list({ taskId: 'video_5', state: 'dead' }));
}

for (const checkout of [
  ...(options.against === undefined ? [] : [options.against]),
  join(import.meta.dirname, '..'),
]) {
  console.log(`\n${resolve(checkout)}: ${pending} pending over ${lanes} lanes; a log of ${rows}`);
  console.log(`${' '.repeat(45)} rows${'p50'.padStart(10)}${'p99'.padStart(10)}`);
  for (const [name, open] of [
    ['SQLite', openSqlite],
    ['PostgreSQL', openPostgres],
  ] as const) {
    await using opened = new AsyncDisposableStack();
    await measure(name, await open(checkout, opened));
  }
}
