import { expect, it } from 'vitest';
import { deliveryList } from '../../../src/store/deliveryList.ts';
import { migratePostgres } from '../../../src/store/postgres/migrations.ts';
import { FEW_DUE } from '../../../src/store/postgres/webhooks.ts';
import { connect, freshDatabase } from '../../support/servers/database.ts';
import { openStore } from './openStore.ts';

const PROJECT = { projectId: 'large', limit: 21 };

it.each([
  ['all', {}, 21],
  ['those of a state that is rare', { state: 'dead' }, 20],
  ['those of a state that none has', { state: 'pending' }, 0],
  ['those of an endpoint with few', { endpointId: 'rare' }, 10],
  ['those of a state at an endpoint with many', { endpointId: 'busy', state: 'dead' }, 10],
  ['those of a task', { taskId: 'video_7', state: 'dead' }, 1],
] as const)('a list of %s reads no others, in a project with many', async (_, filter, listed) => {
  const url = await freshDatabase();
  await migratePostgres(url);
  const client = await connect(url);
  await client.query(`
    insert into webhook_deliveries (id, event_id, type, project_id, task_id, endpoint_id, lane, url, state, tries, next_at, created_at)
    select 'whd_' || (1000000 + n), 'evt_' || n, 'video.failed', 'large', 'video_' || n, case when n < 10 then 'rare' else 'busy' end,
      'lane', 'u', case when n < 20 then 'dead' else 'delivered' end, 1, n, n
    from generate_series(0, 20000) as n`);
  await client.query('analyze webhook_deliveries');
  const { text, values } = deliveryList({ ...PROJECT, ...filter, after: 'whe' });
  expect((await client.query(text, values)).rows).toHaveLength(listed);
  const { rows } = await client.query(`explain (analyze, format json) ${text}`, values);
  const plan = JSON.stringify(rows);
  expect(plan).toContain('Index Scan');
  expect(plan).not.toContain('Seq Scan');
  const passedOver = [...plan.matchAll(/"Rows Removed by (?:Filter|Index Recheck)": ?(\d+)/g)];
  expect(Math.max(0, ...passedOver.map(([, count]) => Number(count)))).toBeLessThanOrEqual(PROJECT.limit);
});

it.each([
  ['few', FEW_DUE - 2],
  ['many', FEW_DUE + 500],
])('a lane with %s that are due and wait delays no other one', async (_, count) => {
  const url = await freshDatabase();
  const store = await openStore(url);
  const client = await connect(url);
  const insert = (rows: string) =>
    client.query(`
    insert into webhook_deliveries (id, event_id, type, project_id, lane, url, state, tries, next_at, created_at)
    select 'whd_' || lane || n, 'evt', 'webhook.test', lane, lane, 'https://example.com', 'pending', 0, at, 0 from (${rows}) as r`);
  await insert(`select 'full' as lane, n, n as at from generate_series(1, ${count}) as n`);
  await insert(`select 'waiting' as lane, n, 1000000 + n as at from generate_series(1, 50) as n`);
  await insert(`select 'other' as lane, n, 900000 as at from generate_series(1, 1) as n`);
  const room = { leaseMs: 1000, limit: 9, perLane: 2, perProject: 9, inProject: {} };
  const lanes = async (now: number, inLane = {}) =>
    (await store.claimDeliveries({ ...room, now, inLane })).claimed.map(({ delivery }) => delivery.lane);
  expect(await lanes(900_000, { full: 0 })).toEqual(['other']);
  expect(await lanes(900_000)).toEqual(['full', 'full']);
  expect(await lanes(2_000_000, { full: 1 })).toEqual(['full', 'other', 'waiting', 'waiting']);
});

it('a claim says that it skipped what another node was taking, so that the rest of its lane is not left behind', async () => {
  const url = await freshDatabase();
  const [store, client] = [await openStore(url), await connect(url)];
  await client.query(`
    insert into webhook_deliveries (id, event_id, type, project_id, lane, url, state, tries, next_at, created_at)
    select 'whd_' || n, 'evt', 'webhook.test', 'project', 'lane', 'https://example.com', 'pending', 0, n, 0 from generate_series(1, 6) as n`);
  const room = { leaseMs: 1000, limit: 9, perLane: 3, perProject: 9, inLane: {}, inProject: {} };
  const claim = async () => {
    const { claimed, skippedSome } = await store.claimDeliveries({ ...room, now: 10 });
    return [claimed.map(({ delivery }) => delivery.id), skippedSome];
  };
  await client.query('begin');
  const take = (ids: string) =>
    client.query(`update webhook_deliveries set leased_until = 1000 where id in (${ids})`);
  await take(`'whd_1', 'whd_2'`);
  expect(await claim()).toEqual([['whd_3'], true]);
  await take(`'whd_4'`);
  expect(await claim()).toEqual([[], true]);
  await client.query('commit');
  expect(await claim()).toEqual([['whd_5', 'whd_6'], false]);
  expect(await claim()).toEqual([[], false]);
});
