import { expect, it } from 'vitest';
import { deliveryList } from '../../../src/store/deliveryList.ts';
import { migratePostgres } from '../../../src/store/postgres/migrations.ts';
import { connect, freshDatabase } from '../../support/servers/database.ts';

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
