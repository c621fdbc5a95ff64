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
  'npm run bench:lists -- [--rows 1000000] [--against checkout]',
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

const FILTERS = [
  ['all tasks', {}],
  ['that succeeded, as nearly all have', { status: 'succeeded' }],
  ['that failed, as ten have', { status: 'failed' }],
  ['in progress, as ten are', { status: 'in_progress' }],
  ['queued, as none is', { status: 'queued' }],
  ['of the model that nearly all have', { model: 'common' }],
  ['of a rare model', { model: 'rare' }],
  ['of a model that none has', { model: 'unknown' }],
  ['of a rare model, that succeeded, as none of it has', { model: 'rare', status: 'succeeded' }],
  ['of the common model, that failed, as none of it has', { model: 'common', status: 'failed' }],
  ['of the common model, in progress', { model: 'common', status: 'in_progress' }],
  ['by metadata that every task has', { metadata: { plan: 'pro' } }],
  ['by metadata that a hundred tasks have', { metadata: { user: '0' } }],
  ['by metadata that none has', { metadata: { user: 'nobody' } }],
  ['by metadata that every task has, and some that a hundred have', { metadata: { plan: 'pro', user: '0' } }],
  ['by metadata that a hundred have, that failed', { metadata: { user: '0' }, status: 'failed' }],
  ['by metadata that every task has, that failed', { metadata: { plan: 'pro' }, status: 'failed' }],
  ['by metadata that every task has, that succeeded', { metadata: { plan: 'pro' }, status: 'succeeded' }],
  ['by metadata that every task has, of a rare model', { metadata: { plan: 'pro' }, model: 'rare' }],
  [
    'by metadata that every task has, of the common model, that failed',
    { metadata: { plan: 'pro' }, model: 'common', status: 'failed' },
  ],
  ['by metadata that the older half has', { metadata: { plan: 'pro', age: 'old' } }],
] as const;

async function measure(name: 'SQLite' | 'PostgreSQL', { store, run, numbers }: Opened): Promise<void> {
  await run(
    name === 'SQLite' ? `${TASKS} ${numbers(COUNT)} ${VALUES}` : `${numbers(COUNT)} ${TASKS} ${VALUES}`,
  );
  // A server does so by itself. Nothing does in a data folder.
  if (name === 'PostgreSQL') await run('vacuum analyze');
  const figures: Figure[] = [];
  for (const [what, filter] of FILTERS)
    figures.push(
      await timeQuery(
        `${name}, ${what}`,
        // One more than a page has tells whether there is another page.
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
