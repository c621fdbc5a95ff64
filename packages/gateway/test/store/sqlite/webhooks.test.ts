import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { deliveryList } from '../../../src/store/deliveryList.ts';
import { DUE_LANES, DUE_OF_LANE } from '../../../src/store/sqlite/operations/webhooks.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { ClaimedDelivery } from '../../../src/store/webhooks.ts';
import { aRequest, START_OF_TIME } from '../../support/builders.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { failed } from '../contract/events.ts';
import { moved } from '../contract/steps.ts';
import { anEndpoint } from '../contract/webhooks.ts';

const NOW = START_OF_TIME + 1000;
const PROJECT = { projectId: 'project', limit: 9 };

async function opened() {
  const dir = await tempFolder();
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  onTestFinished(() => void db.close());
  return { store, db };
}

it('taking deliveries reads the lanes of which something is due, in their order, and of each what it takes', async () => {
  const { db } = await opened();
  const planOf = (text: string) =>
    db
      .prepare<[], { detail: string }>(`explain query plan ${text}`)
      .all()
      .map(({ detail }) => detail);
  expect(planOf(DUE_LANES.replace('?', '1'))).toEqual([
    'SEARCH webhook_lanes USING COVERING INDEX webhook_lanes_due (due_at<?)',
  ]);
  expect(planOf(DUE_OF_LANE.replace('?', `'lane'`).replaceAll('?', '1'))).toEqual([
    'SEARCH webhook_deliveries USING INDEX webhook_deliveries_due (lane=? AND <expr><?)',
  ]);
});

it.each([
  ['all', {}, 'by_project (project_id=? AND id<?)'],
  ['those of a state', { state: 'dead' }, 'by_state (project_id=? AND state=? AND id<?)'],
  ['those of an endpoint', { endpointId: 'whep' }, 'by_endpoint_state (endpoint_id=? AND state=? AND id<?)'],
  ['those of a task', { taskId: 'video', state: 'dead' }, 'by_task (task_id=?)'],
  [
    'those of a state at an endpoint',
    { endpointId: 'whep', state: 'dead' },
    'by_endpoint_state (endpoint_id=? AND state=? AND id<?)',
  ],
] as const)('a list of %s reads no others', async (_, filter, index) => {
  const { db } = await opened();
  const { text, values } = deliveryList({ ...PROJECT, ...filter, after: 'whd' });
  const plan = db
    .prepare<object, { detail: string }>(`explain query plan ${text}`)
    .all(Object.fromEntries(values.map((value, n) => [n + 1, value])));
  const read = plan.filter(({ detail }) => /^(SEARCH|SCAN) webhook_deliveries/.test(detail));
  expect(new Set(read.map(({ detail }) => detail))).toEqual(
    new Set([`SEARCH webhook_deliveries USING INDEX webhook_deliveries_${index}`]),
  );
});

it('a lane knows when its first delivery may be taken, whatever happened to its deliveries', async () => {
  const { store, db } = await opened();
  const known = db.prepare('select lane, project_id, due_at from webhook_lanes order by lane');
  const actual = db.prepare(`
    select lane, project_id, min(max(next_at, coalesce(leased_until, 0))) as due_at
    from webhook_deliveries where state = 'pending' group by lane, project_id order by lane`);
  /** Compares, and resolves with the number of lanes. */
  const lanes = () => {
    expect(known.all()).toEqual(actual.all());
    return known.all().length;
  };
  const claim = async (now: number) => {
    const room = { limit: 9, perLane: 1, perProject: 9, inLane: {}, inProject: {} };
    return (await store.claimDeliveries({ now, leaseMs: 10, ...room })).claimed;
  };
  const finish = ({ delivery }: ClaimedDelivery, state: 'pending' | 'delivered', nextAt = NOW) =>
    store.finishDelivery(delivery, {
      state,
      tries: 1,
      nextAt,
      triedAt: NOW,
      status: undefined,
      error: undefined,
      latencyMs: undefined,
      answer: undefined,
    });

  const [one, two] = [anEndpoint(), anEndpoint()];
  for (const endpoint of [one, two]) await store.addEndpoint(endpoint, 'secret', 9);
  await failed(store, { request: aRequest({ webhookUrl: 'https://example.com/hook' }) });
  const task = await failed(store);
  expect(lanes()).toBe(3);
  const [first, second, third, ...more] = await claim(NOW);
  if (!first || !second || !third || more.length > 0) throw new Error('three lanes have something due');
  expect(lanes()).toBe(3);
  await finish(first, 'delivered');
  expect(lanes()).toBeLessThanOrEqual(3);
  await finish(second, 'pending', NOW + 5000);
  lanes();
  // Of the third the lease ends.
  expect((await claim(NOW + 10)).map(({ delivery }) => delivery.lane)).toContain(third.delivery.lane);
  lanes();
  await store.redeliver('project', first.delivery.id, NOW + 7);
  lanes();
  await store.changeEndpoint('project', one.id, { disabledReason: 'requested' });
  lanes();
  await store.commit(moved(task, { type: 'deleted' }));
  lanes();
  await store.removeEndpoint('project', two.id);
  expect(lanes()).toBeLessThan(3);
  for (const again of await claim(NOW + 10_000)) await finish(again, 'delivered');
  for (const again of await claim(NOW + 20_000)) await finish(again, 'delivered');
  await store.removeEvents(NOW + 1_000_000, 1, 100);
  expect(lanes()).toBe(0);
});
