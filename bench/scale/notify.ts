import { Client } from 'pg';
import { optionsOf } from '../../chaos/shared/optionsOf.ts';
import { createDatabase, startPostgres } from '../../scripts/servers/postgres.ts';
import { type Figure, report } from '../shared/figures.ts';

/**
 * What it costs PostgreSQL that a commit notifies: such commits wait for each other, also those of different databases of an instance. So
 * nodes write many transitions in one, and cells have instances of their own (docs/scale.md).
 *
 *   npm run bench:notify -- [--rounds 3] [--seconds 1]
 */
const CONNECTIONS = 16;
const GROUP = 100;
const ROWS = 20_000;

const { rounds, seconds } = optionsOf(
  { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '1' } },
  'npm run bench:notify -- [--rounds 3] [--seconds 1]',
  { numbers: ['rounds', 'seconds'] },
);

await using opened = new AsyncDisposableStack();
const [one, other] = [await openInstance(), await openInstance()];
const [first, second, apart] = [await openDatabase(one), await openDatabase(one), await openDatabase(other)];
const halves = (databases: readonly Client[][]) =>
  databases.flatMap((clients) => clients.slice(0, CONNECTIONS / 2));

const found = {
  silent: [] as number[],
  notifying: [] as number[],
  databases: [] as number[],
  instances: [] as number[],
  grouped: [] as number[],
};
for (let round = 0; round < Number(rounds); round++) {
  found.silent.push(await rowsPerSecond(first, 1, false));
  found.notifying.push(await rowsPerSecond(first, 1, true));
  found.databases.push(await rowsPerSecond(halves([first, second]), 1, true));
  found.instances.push(await rowsPerSecond(halves([first, apart]), 1, true));
  found.grouped.push(await rowsPerSecond(first, GROUP, true));
}
const against = (name: keyof typeof found, reference: keyof typeof found): number[] =>
  found[name].map((value, round) => value / (found[reference][round] ?? Number.NaN));
const figures: Figure[] = [
  { name: 'commits of one row, silent', unit: '/s', rounds: found.silent },
  { name: 'commits of one row that notify', unit: '/s', rounds: found.notifying },
  { name: '… against silent ones', unit: '×', rounds: against('notifying', 'silent') },
  {
    name: 'two databases of one instance, against one',
    unit: '×',
    rounds: against('databases', 'notifying'),
  },
  { name: 'two instances, against one', unit: '×', rounds: against('instances', 'notifying') },
  { name: `rows in commits of ${GROUP} that notify once`, unit: '/s', rounds: found.grouped },
  { name: '… against one row a commit', unit: '×', rounds: against('grouped', 'notifying') },
];
report(figures);

async function openInstance(): Promise<string> {
  const server = await startPostgres({ durable: true });
  opened.defer(() => server.close());
  return server.url;
}

/** A table of its own, and the connections to it. */
async function openDatabase(url: string): Promise<Client[]> {
  const database = await createDatabase(url);
  const clients = Array.from({ length: CONNECTIONS }, () => new Client(database));
  for (const client of clients) {
    await client.connect();
    opened.defer(() => client.end());
  }
  await clients[0]?.query('create table tasks (id int primary key, version int not null)');
  await clients[0]?.query('insert into tasks select n, 0 from generate_series(0, $1::int) as n', [ROWS]);
  return clients;
}

/** Each connection has rows of its own: none waits for the lock of a row. */
async function rowsPerSecond(clients: readonly Client[], group: number, notifies: boolean): Promise<number> {
  const began = performance.now();
  const until = began + Number(seconds) * 1000;
  const span = Math.floor(ROWS / clients.length);
  let rows = 0;
  await Promise.all(
    clients.map(async (client, index) => {
      for (let turn = 0; performance.now() < until; turn++) {
        const from = index * span + ((turn * group) % (span - group));
        await client.query({
          name: notifies ? 'notifying' : 'silent',
          text: `with moved as (update tasks set version = version + 1 where id >= $1 and id < $1 + $2::int returning id)
            select count(*)${notifies ? `, pg_notify('tasks', min(id)::text)` : ''} from moved`,
          values: [from, group],
        });
        rows += group;
      }
    }),
  );
  return (rows * 1000) / (performance.now() - began);
}
