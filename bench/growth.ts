import { join } from 'node:path';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Figure, report } from './shared/figures.ts';
import { isKind, type Kind, type Opened, timeQuery, withStores } from './shared/stores.ts';

/**
 * What grows with the number of finished tasks that are stored, and what does not, in both stores: a query that no cache answers, lists, the
 * adoption of a dead node's tasks, the start, the sweeps, and the disk. Milliseconds.
 *
 *   npm run bench:growth -- [--rows 10000,100000] [--only PostgreSQL]
 *
 * Rows are made with SQL, as a task leaves them behind: an attempt, three ledger rows for two tasks, two pairs of metadata; of the newest
 * hundredth also media and events, which are removed earlier than tasks.
 */
const options = optionsOf(
  { rows: { type: 'string', default: '10000,100000' }, only: { type: 'string' } },
  'npm run bench:growth -- [--rows 10000,100000] [--only SQLite]',
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

/** The SQL of both databases for tasks with the numbers `n`. */
function rowsIn(name: Kind) {
  const hex = (expression: string, digits: number) =>
    name === 'SQLite'
      ? `printf('%0${digits}x', ${expression})`
      : `lpad(to_hex(${expression}), ${digits}, '0')`;
  const at = `(${BEGAN} + cast(n as bigint) * ${STEP})`;
  const id = `'video_' || ${hex(at, 12)} || ${hex('n', 20)}`;
  const finished = `n >= ${RARE + IN_HAND} or n < ${RARE}`;
  const failed = `n < ${RARE} or n % 20 = 0`;
  const phase = `case when not (${finished}) then 'running' when ${failed} then 'failed' else 'succeeded' end`;
  const media = `'${'0'.repeat(20)}' || ${hex('n', 12)}`;
  const request = `'{"model":"model-' || (n % 10) || '","prompt":"${'a paper boat on a rainy street, seen from above '.repeat(3)}","duration":4,"resolution":"720p","aspectRatio":"16:9","width":1280,"height":720,"metadata":{"user":"' || (n / 100) || '","plan":"pro"}}'`;
  const result = `'{"videoId":"' || ${media} || '","posterId":"' || ${media} || 'p","bytes":2000000,"sha256":"${'0'.repeat(64)}","duration":4,"width":1280,"height":720,"videoCodec":"h264","audioCodec":"aac","contentCredentials":"absent","expiresAt":' || ${at} || ',"costMicros":400000}'`;
  const error = `'{"code":502,"reason":"upstream_failed","message":"The provider could not make this video."}'`;
  return {
    id,
    at,
    inserts: [
      [
        `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, started_at, completed_at, deadline_at, price, result, error)`,
        `select ${id}, 'large', 'key-' || (n % 5), case when n < ${RARE} then 'rare' else 'model-' || (n % 10) end, ${request}, ${phase}, 6, 'dead', 1,
          ${at}, ${at} + 5000, case when ${finished} then ${at} + 60000 end, ${at} + 21600000,
          '{"currency":"USD","microsPerSecond":100000,"holdMicros":400000}',
          case when ${finished} and not (${failed}) then ${result} end, case when ${finished} and (${failed}) then ${error} end from numbers`,
      ],
      [
        `insert into attempts (task_id, number, account_id, idempotency_key, upstream_model, intended_at, upstream_id, submitted_at, ended_at, outcome, upstream_result)`,
        `select ${id}, 1, 'account-' || (n % 3), 'i' || n, 'model-' || (n % 10), ${at}, 'job-' || n, ${at} + 500,
          case when ${finished} then ${at} + 55000 end, case when ${finished} then case when ${failed} then 'failed' else 'succeeded' end end,
          case when ${finished} and not (${failed}) then '{"ref":"https://example.com/videos/' || n || '.mp4"}' end from numbers`,
      ],
      [
        'insert into ledger (task_id, kind, project_id, key_id, amount_micros, currency, created_at)',
        `select ${id}, 'hold', 'large', 'key-' || (n % 5), 400000, 'USD', ${at} from numbers`,
      ],
      [
        'insert into ledger (task_id, kind, project_id, key_id, amount_micros, currency, created_at)',
        `select ${id}, case when ${failed} then 'release' else 'capture' end, 'large', 'key-' || (n % 5), 400000, 'USD', ${at} + 60000 from numbers where ${finished}`,
      ],
    ] as const,
    /** Of the newest tasks. */
    recent: [
      [
        'insert into media (id, project_id, task_id, kind, storage_key, content_type, state, bytes, created_at, expires_at)',
        `select ${media}, 'large', ${id}, 'video', 'video/' || n || '.mp4', 'video/mp4', 'present', 2000000, ${at}, ${NOW + 7 * DAY} from numbers`,
      ],
      [
        'insert into events (id, project_id, key_id, task_id, type, model, at, task)',
        `select 'evt' || n, 'large', 'key-1', ${id}, 'video.succeeded', 'model-1', ${NOW}, '{}' from numbers`,
      ],
    ] as const,
  };
}

/** Reports after each size: the largest takes long. */
async function measure(name: Kind, opened: Opened): Promise<void> {
  const { run, numbers } = opened;
  const sql = rowsIn(name);

  async function fill(inserts: readonly (readonly [string, string])[], from: number, to: number) {
    for (let first = from; first < to; first += CHUNK) {
      const relation = numbers(Math.min(CHUNK, to - first), first);
      for (const [head, values] of inserts)
        await run(name === 'SQLite' ? `${head} ${relation} ${values}` : `${relation} ${head} ${values}`);
    }
  }

  let stored = 0;
  for (const size of SIZES) {
    await fill(sql.inserts, stored, size);
    await fill(sql.recent, Math.max(stored, Math.floor(size * 0.99)), size);
    stored = size;
    // A server does so by itself. Nothing does in a data folder.
    if (name === 'PostgreSQL') await run('vacuum analyze');
    report(await measureAt(name, opened, size));
  }
}

async function measureAt(name: Kind, opened: Opened, size: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  const add = (what: string, unit: string, rounds: readonly number[]) =>
    figures.push({ name: `${what}, ${size.toLocaleString('en-US')} rows, ${name}`, unit, rounds });
  const idOf = (n: number) =>
    `video_${(BEGAN + n * STEP).toString(16).padStart(12, '0')}${n.toString(16).padStart(20, '0')}`;
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
