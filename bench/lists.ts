import { join, resolve } from 'node:path';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Figure, report } from './shared/figures.ts';
import { type Opened, timeQuery, withStores } from './shared/stores.ts';

/**
 * Lists of the tasks of a project that has many, by filters that few or nearly all of them pass, in both stores:
 *
 *   npm run bench:lists -- [--rows 1000000] [--against ../another-checkout]
 *
 * With `--against`, the stores of another checkout are measured beside those of this one. Milliseconds.
 */
const { rows, against } = optionsOf(
  { rows: { type: 'string', default: '1000000' }, against: { type: 'string' } },
  'bench:lists [--rows 1000000] [--against checkout]',
  { numbers: ['rows'] },
);
const COUNT = Number(rows);
const NOW = 1_800_000_000_000;

/** `n` counts from 0. The rare ones are the oldest, behind all others: a list that reads what it does not show reads everything. */
const RARE = 'n < 10';
const REQUEST = `'{"model":"m","prompt":"a boat","duration":4,"metadata":{"user":"' || (n / 100) || '","plan":"pro","age":"' || case when n < ${COUNT / 2} then 'old' else 'new' end || '"}}'`;
const TASKS = `
  insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, started_at, deadline_at, price)
`;
const VALUES = `
  select 'video_' || (10000000 + n), 'large', 'key', case when ${RARE} then 'rare' else 'common' end, ${REQUEST},
    case when ${RARE} then 'failed' when n < 20 then 'running' else 'succeeded' end, 3, 'node-1', 0, ${NOW} + n, ${NOW} + n, ${NOW},
    '{"currency":"USD","microsPerSecond":1,"holdMicros":4}'
  from numbers`;

async function measure(name: 'SQLite' | 'PostgreSQL', { store, run, numbers }: Opened): Promise<void> {
  await run(
    name === 'SQLite' ? `${TASKS} ${numbers(COUNT)} ${VALUES}` : `${numbers(COUNT)} ${TASKS} ${VALUES}`,
  );
  // A server does so by itself. Nothing does in a data folder.
  if (name === 'PostgreSQL') await run('vacuum analyze');
  const filters = [
    {},
    { status: 'succeeded' },
    { status: 'failed' },
    { status: 'in_progress' },
    { status: 'queued' },
    { model: 'common' },
    { model: 'rare' },
    { model: 'unknown' },
    { model: 'rare', status: 'succeeded' },
    { model: 'common', status: 'failed' },
    { model: 'common', status: 'in_progress' },
    { metadata: { plan: 'pro' } },
    { metadata: { user: '0' } },
    { metadata: { user: 'nobody' } },
    { metadata: { plan: 'pro', user: '0' } },
    { metadata: { user: '0' }, status: 'failed' },
    { metadata: { plan: 'pro' }, status: 'failed' },
    { metadata: { plan: 'pro' }, status: 'succeeded' },
    { metadata: { plan: 'pro' }, model: 'rare' },
    { metadata: { plan: 'pro' }, model: 'common', status: 'failed' },
    { metadata: { plan: 'pro', age: 'old' } },
  ] as const;
  const figures: Figure[] = [];
  for (const filter of filters)
    figures.push(
      await timeQuery(
        `${name} ${JSON.stringify(filter).replaceAll('"', '')}`,
        () => store.listTasks({ projectId: 'large', limit: 21, ...filter }),
        { atMost: 'metadata' in filter ? 50 : 10 },
      ),
    );
  report(figures);
}

for (const checkout of [...(against === undefined ? [] : [against]), join(import.meta.dirname, '..')]) {
  console.log(`\n${resolve(checkout)}: ${COUNT} tasks`);
  await withStores(checkout, measure);
}
