import { join, resolve } from 'node:path';
import { optionsOf } from '../chaos/shared/optionsOf.ts';
import { type Figure, report } from './shared/figures.ts';
import { type Opened, timeQuery, withStores } from './shared/stores.ts';

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
  'npm run bench:webhooks -- [--pending 100000] [--lanes 10000] [--rows 1000000] [--against checkout]',
  { numbers: ['pending', 'lanes', 'rows'] },
);
const [pending, lanes, rows] = [options.pending, options.lanes, options.rows].map(Number) as [
  number,
  number,
  number,
];
const NOW = 1_800_000_000_000;
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

async function measure(name: string, { store, run, numbers }: Opened): Promise<void> {
  const fill = async (count: number, rows: string) => {
    const insert = `insert into webhook_deliveries (${COLUMNS})`;
    await run(`${name === 'SQLite' ? `${insert} ${numbers(count)}` : `${numbers(count)} ${insert}`} ${rows}`);
    await run('analyze');
  };
  const figures: Figure[] = [];
  const time = async (what: string, query: () => Promise<{ readonly length: number }>) =>
    figures.push(await timeQuery(`${name} ${what}`, query));
  const take = async (room: object) => (await store.claimDeliveries({ ...ROOM, ...room, now: NOW })).claimed;
  await fill(pending, PENDING);
  await time('take, none is due', () => take({}));
  await run(`update webhook_deliveries set next_at = ${NOW} where lane in ('whep_0', 'whep_${lanes - 1}')`);
  await time('take, two lanes are due', () => take({ limit: 2, perLane: 1 }));
  await run(`update webhook_deliveries set next_at = ${NOW}`);
  await time('take, all are due', () => take({}));

  await run('delete from webhook_deliveries');
  await fill(rows, LOG);
  const list = (filter: object) => () => store.deliveries({ projectId: 'large', limit: 21, ...filter });
  await time('list, all', list({}));
  await time('list, dead', list({ state: 'dead' }));
  await time('list, pending', list({ state: 'pending' }));
  await time('list, rare endpoint', list({ endpointId: 'whep_rare' }));
  await time('list, rare endpoint, delivered', list({ endpointId: 'whep_rare', state: 'delivered' }));
  await time('list, busy endpoint', list({ endpointId: 'whep_busy' }));
  await time('list, busy endpoint, dead', list({ endpointId: 'whep_busy', state: 'dead' }));
  await time('list, a task', list({ taskId: 'video_5', state: 'dead' }));
  report(figures);
}

for (const checkout of [
  ...(options.against === undefined ? [] : [options.against]),
  join(import.meta.dirname, '..'),
]) {
  console.log(`\n${resolve(checkout)}: ${pending} pending over ${lanes} lanes; a log of ${rows}`);
  await withStores(checkout, measure);
}
