import { join } from 'node:path';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { removeMonth } from './growth/month.ts';
import { FILLED, type Insert, type RowsOptions, rowsLike } from './growth/rows.ts';
import { type Figure, report } from './shared/figures.ts';
import { isKind, type Kind, type Opened, timeQuery, withStores } from './shared/stores.ts';

/**
 * What grows with the number of finished tasks that are stored, and what does not, in both stores: a query that no cache answers, lists, the
 * adoption of a dead node's tasks, the start, the sweeps, and the disk. Milliseconds.
 *
 *   npm run bench:growth -- [--rows 10000,100000] [--only PostgreSQL] [--month]
 *
 * Rows are made with SQL like those that the store writes for a task (growth/rows.ts); those of media and events, which are removed earlier
 * than tasks, for the newest hundredth only. With `--month`, the tasks of a month are removed at the end.
 */
const options = optionsOf(
  {
    rows: { type: 'string', default: '10000,100000' },
    only: { type: 'string' },
    month: { type: 'boolean', default: false },
  },
  'npm run bench:growth -- [--rows 10000,100000] [--only SQLite] [--month]',
);
const SIZES = options.rows.split(',').map(Number);
if (!SIZES.every((size, n) => Number.isInteger(size) && size >= 10_000 && size > (SIZES[n - 1] ?? 0))) {
  console.error('--rows: give numbers from 10000 on, each above the one before, such as 10000,100000.');
  process.exit(2);
}
const { only } = options;
if (only !== undefined && !isKind(only)) {
  console.error(`--only: there is no "${only}"; there is SQLite and PostgreSQL.`);
  process.exit(2);
}

const DAY = 86_400_000;
const NOW = Date.now();
/** When the first task was accepted; the others follow at the same distance. */
const BEGAN = NOW - 400 * DAY;
const STEP = Math.floor((390 * DAY) / Math.max(...SIZES));
/** The oldest tasks, which lists of them find behind all others. */
const RARE = 10;
/** Tasks of a dead node, right behind. */
const IN_HAND = 2000;
/** Rows in one statement. */
const CHUNK = 250_000;
const QUERIES = 200;
const SWEPT = 20;

const ROWS: RowsOptions = {
  began: BEGAN,
  step: STEP,
  // Removed a week later.
  recentAt: String(NOW - 3_600_000),
  running: `n >= ${RARE} and n < ${RARE + IN_HAND}`,
  failed: `n < ${RARE} or n % 20 = 0`,
  rare: `n < ${RARE}`,
};

/** Reports after each size: the largest takes long. */
async function measure(name: Kind, opened: Opened): Promise<void> {
  const rows = await rowsLike(name, opened.store, opened, ROWS);

  function chunks(inserts: readonly Insert[], from: number, to: number): readonly string[] {
    const firsts = Array.from({ length: Math.ceil((to - from) / CHUNK) }, (_, chunk) => from + chunk * CHUNK);
    // Table by table: each stays in the cache while it is filled.
    return inserts.flatMap(({ head, select }) =>
      firsts.map((first) => {
        const relation = opened.numbers(Math.min(CHUNK, to - first), first);
        return name === 'SQLite' ? `${head} ${relation} ${select}` : `${relation} ${head} ${select}`;
      }),
    );
  }

  let stored = 0;
  for (const size of SIZES) {
    const began = performance.now();
    const recent = chunks(rows.recent, Math.max(stored, Math.floor(size * 0.99)), size);
    await opened.fill(FILLED, [...chunks(rows.all, stored, size), ...recent]);
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.log(`${name}: ${(size - stored).toLocaleString('en-US')} tasks made in ${seconds} s`);
    stored = size;
    report(await measureAt(name, opened, rows.idOf, size));
  }
  if (!options.month) return;
  const count = Math.min(Math.floor((30 * DAY) / STEP), stored / 4);
  const kept = Array.from({ length: 200 }, (_, n) => rows.idOf(stored - 1 - n * Math.floor(stored / 500)));
  report(await removeMonth(name, opened, { after: rows.idOf(RARE + IN_HAND - 1), count, kept, now: NOW }));
}

async function measureAt(
  name: Kind,
  opened: Opened,
  idOf: (n: number) => string,
  size: number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  const add = (what: string, unit: string, rounds: readonly number[]) =>
    figures.push({ name: `${what}, ${size.toLocaleString('en-US')} rows, ${name}`, unit, rounds });
  async function timed(times: number, work: (time: number) => Promise<unknown>): Promise<number[]> {
    const took: number[] = [];
    for (let time = 0; time < times; time++) {
      const began = performance.now();
      await work(time);
      took.push(performance.now() - began);
    }
    return took;
  }

  // Away from the rows of before: those are in memory.
  const random = (time: number) =>
    idOf(Math.floor(size / 2) + ((time * 7919 * 104_729) % Math.floor(size / 2)));
  add(
    'start: store opened, first task read',
    'ms',
    await timed(3, async (time) => {
      const store = await opened.reopen();
      if (!(await store.task(random(time)))) throw new Error('a task is missing');
    }),
  );
  const store = await opened.reopen();
  add('query by id, not cached', 'ms', await timed(QUERIES, (time) => store.task(random(time + 10))));
  for (const [what, filter] of [
    ['list', {}],
    ['list, from the middle', { after: idOf(Math.floor(size / 2)) }],
    ['list, status failed', { status: 'failed' }],
    ['list, status in_progress', { status: 'in_progress' }],
    ['list, rare model', { model: 'rare' }],
    ['list, rare metadata', { metadata: { user: '30' } }],
    ['list, common metadata, rare model', { metadata: { plan: 'pro' }, model: 'rare' }],
  ] as const) {
    const query = { projectId: 'large', limit: 21, ...filter };
    const { rounds } = await timeQuery('', () => store.listTasks(query));
    add(what, 'ms', rounds);
  }
  // By another node each time: whoever owns tasks and does not live is dead.
  add('adoption of 100 tasks', 'ms', await timed(10, (time) => store.adopt(`node-${size}-${time}`, 100)));
  add(
    'sweep with nothing to do: media, events, keys',
    'ms',
    await timed(10, async () => {
      await store.sweepable(NOW, NOW - DAY, 100);
      await store.removeEvents(NOW, 7 * DAY, 100);
      await store.removeExpiredIdempotency(NOW, 100);
    }),
  );
  const sweep = { now: NOW, keepMs: 5 * DAY };
  let after = idOf(RARE + IN_HAND - 1);
  async function next(read: typeof store.tasksAfter): Promise<readonly string[]> {
    const ids = (await read(after, 50)).map(({ id }) => id);
    after = ids.at(-1) ?? after;
    return ids;
  }
  add(
    'sweep: ledger rows of 50 tasks into sums',
    'ms',
    await timed(SWEPT, async () => store.summariseLedger({ ...sweep, ids: await next(store.ledgeredAfter) })),
  );
  add(
    'sweep: 50 tasks removed',
    'ms',
    await timed(SWEPT, async () => store.removeTasks({ ...sweep, ids: await next(store.tasksAfter) })),
  );
  add('balance: sum over the whole ledger', 'ms', await opened.run(BALANCE, 3));
  add('disk for each task', 'bytes', [(await opened.bytes()) / size]);
  return figures;
}

const BALANCE = `
  select project_id, key_id, currency, kind, sum(amount_micros) from ledger_entries group by project_id, key_id, currency, kind`;

await withStores(join(import.meta.dirname, '..'), measure, only);
