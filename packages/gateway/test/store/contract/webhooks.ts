import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import type {
  ClaimedDelivery,
  Delivery,
  DeliveryClaim,
  WebhookEndpoint,
} from '../../../src/store/webhooks.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aRequest, START_OF_TIME } from '../../support/builders.ts';
import { failed } from './events.ts';
import { moved } from './steps.ts';

/** Events of `failed` happen then. */
const NOW = START_OF_TIME + 1000;
const LEASE_MS = 60_000;

export function anEndpoint(changes: Partial<WebhookEndpoint> = {}): WebhookEndpoint {
  const id = `whep_${newId()}`;
  return {
    id,
    projectId: 'project',
    url: `https://example.com/${id}`,
    signature: 'hmac',
    createdAt: START_OF_TIME,
    ...changes,
  };
}

async function added(store: Store, changes: Partial<WebhookEndpoint> = {}): Promise<WebhookEndpoint> {
  const endpoint = anEndpoint(changes);
  expect(await store.addEndpoint(endpoint, `secret of ${endpoint.id}`, 100)).toBe(true);
  return endpoint;
}

async function claim(
  store: Store,
  changes: Partial<DeliveryClaim> = {},
): Promise<readonly ClaimedDelivery[]> {
  const room = { limit: 100, perLane: 100, perProject: 100, inLane: {}, inProject: {} };
  return (await store.claimDeliveries({ now: NOW, leaseMs: LEASE_MS, ...room, ...changes })).claimed;
}

const all = (store: Store, projectId = 'project') => store.deliveries({ projectId, limit: 100 });

const DELIVERED = {
  state: 'delivered',
  tries: 1,
  nextAt: NOW,
  triedAt: NOW,
  status: 200,
  error: undefined,
  latencyMs: 12,
  answer: 'ok',
} as const;

/** Takes the only delivery that is due. */
async function claimOne(store: Store, now = NOW): Promise<ClaimedDelivery> {
  const [one, ...others] = await claim(store, { now });
  if (!one || others.length > 0) throw new Error(`${others.length + (one ? 1 : 0)} are due`);
  return one;
}

/** Webhooks. */
export function describeWebhooks(name: string, open: () => Promise<Store>): void {
  describe(`${name}: webhook endpoints`, () => {
    it('are added, read, listed, changed and removed, each in its project', async () => {
      const store = await open();
      const full = {
        events: ['video.failed'],
        models: ['a', 'b'],
        description: 'ü',
        signature: 'ed25519',
      } as const;
      const [one, two] = [await added(store, full), await added(store)];
      const other = await added(store, { projectId: 'other' });
      expect(await store.endpoints('project')).toEqual([one, two]);
      expect(await store.endpoint('project', one.id)).toEqual(one);
      expect(await store.endpoint('project', other.id)).toBeUndefined();
      const { events: _, ...rest } = one;
      const changed = { ...rest, url: 'https://example.com/new', models: ['c'] };
      const changes = { url: changed.url, events: undefined, models: ['c'] };
      expect(await store.changeEndpoint('project', one.id, changes)).toEqual(changed);
      expect(await store.changeEndpoint('project', one.id, {})).toEqual(changed);
      expect(await store.changeEndpoint('other', one.id, { url: 'x' })).toBeUndefined();
      expect(await store.endpoint('project', one.id)).toEqual(changed);
      const moved = { url: one.url };
      expect(
        await store.changeEndpoint('project', one.id, { disabledReason: 'gone' }, moved),
      ).toBeUndefined();
      expect(await store.endpoint('project', one.id)).toEqual(changed);
      expect(await store.changeEndpoint('project', one.id, {}, { url: changed.url })).toEqual(changed);
      expect(await store.removeEndpoint('other', one.id)).toBe(false);
      expect(await store.removeEndpoint('project', one.id)).toBe(true);
      expect(await store.removeEndpoint('project', one.id)).toBe(false);
      expect(await store.endpoints('project')).toEqual([two]);
    });

    it('are no more than a project may have, also if some are added at once', async () => {
      const store = await open();
      const outcomes = await Promise.all(
        Array.from({ length: 6 }, () => store.addEndpoint(anEndpoint(), 'secret', 3)),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(3);
      expect(await store.endpoints('project')).toHaveLength(3);
      expect(await store.addEndpoint(anEndpoint({ projectId: 'other' }), 'secret', 3)).toBe(true);
    });

    it('have a secret, as projects have; a rotation keeps the one before', async () => {
      const store = await open();
      const { id } = await added(store);
      const make = () => 'made';
      // The installation has secrets as well.
      expect(await store.secret('links', () => 'of the installation')).toBe('of the installation');
      const own = { projectId: 'project', endpointId: id, secret: `secret of ${id}` };
      expect(await store.webhookSecret('project', id, make)).toEqual(own);
      const ofProject = { projectId: 'project', endpointId: '', secret: 'made' };
      expect(await store.webhookSecret('project', '', make)).toEqual(ofProject);
      expect(await store.webhookSecret('project', '', () => 'another')).toEqual(ofProject);
      const rotated = { ...own, secret: '2', formerSecret: own.secret, formerUntil: 5 };
      expect(await store.rotateSecret('project', id, '2', 5)).toEqual(rotated);
      expect(await store.webhookSecret('project', id, make)).toEqual(rotated);
      const again = { ...own, secret: '3', formerSecret: '2', formerUntil: 6 };
      expect(await store.rotateSecret('project', id, '3', 6)).toEqual(again);
      expect(await store.webhookSecret('project', '', make)).toEqual(ofProject);
      expect(await store.rotateSecret('new', '', 'first', 6)).toMatchObject({ secret: 'first' });
      expect(await store.secret('links', make)).toBe('of the installation');
    });
  });

  describe(`${name}: webhook deliveries`, () => {
    it('are written with their event, for each endpoint that wants it and the webhook_url of the task', async () => {
      const store = await open();
      const everything = await added(store);
      const fitting = await added(store, { events: ['video.failed'], models: ['test-model'] });
      await added(store, { events: ['video.started', 'video.succeeded'] });
      await added(store, { models: ['another-model'] });
      await added(store, { disabledReason: 'requested' });
      await added(store, { projectId: 'other' });
      let told = 0;
      store.onDelivery(() => told++);
      const url = 'https://example.com:8443/hook?a';
      const task = await failed(store, { request: aRequest({ webhookUrl: url }) });
      expect(told).toBe(1);
      const written = await all(store);
      const common = {
        eventId: expect.stringMatching(/^evt_/),
        type: 'video.failed',
        taskId: task.id,
        state: 'pending',
        tries: 0,
        nextAt: NOW,
        createdAt: NOW,
      };
      expect(written).toHaveLength(3);
      for (const { id, url, lane } of [everything, fitting].map(({ id, url }) => ({ id, url, lane: id })))
        expect(written).toContainEqual(expect.objectContaining({ ...common, endpointId: id, url, lane }));
      expect(written.find(({ endpointId }) => endpointId === undefined)).toMatchObject({
        ...common,
        url,
        lane: 'project example.com:8443',
      });
      for (const { id } of written) expect(id).toMatch(/^whd_[0-9a-f]{32}$/);
      expect(await all(store, 'other')).toEqual([]);
      expect(await store.pendingDeliveries()).toBe(3);
    });

    it('are erased with their task', async () => {
      const store = await open();
      await added(store);
      const task = await failed(store);
      await store.commit(moved(task, { type: 'deleted' }));
      expect(await all(store)).toEqual([]);
    });

    it('are taken once, with all that is needed to send them, and again when the lease is over', async () => {
      const store = await open();
      const endpoint = await added(store);
      const task = await failed(store);
      const { delivery, ...parts } = await claimOne(store);
      expect(delivery).toMatchObject({ taskId: task.id, leasedUntil: NOW + LEASE_MS, state: 'pending' });
      expect(parts).toMatchObject({
        endpoint,
        secret: { endpointId: endpoint.id, secret: `secret of ${endpoint.id}` },
        event: { id: delivery.eventId, taskId: task.id, task: { phase: 'failed' } },
      });
      expect(await claim(store)).toEqual([]);
      expect(await claim(store, { now: NOW + LEASE_MS - 1 })).toEqual([]);
      const again = await claimOne(store, NOW + LEASE_MS);
      expect(again.delivery).toEqual({ ...delivery, leasedUntil: NOW + 2 * LEASE_MS });
      // Who has lost the lease writes nothing.
      expect(await store.finishDelivery(delivery, DELIVERED)).toBe(false);
      expect(await store.finishDelivery(again.delivery, DELIVERED)).toBe(true);
      const { leasedUntil: _, ...rest } = delivery;
      const { error: __, ...done } = DELIVERED;
      expect(await store.delivery('project', delivery.id)).toEqual({ ...rest, ...done });
      expect(await claim(store, { now: NOW + 10 * LEASE_MS })).toEqual([]);
    });

    it('are taken by one of several that ask at once', async () => {
      const store = await open();
      await added(store);
      for (let n = 0; n < 10; n++) await failed(store);
      const taken = (await Promise.all([1, 2, 3, 4].map(() => claim(store, { limit: 4 })))).flat();
      const ids = taken.map(({ delivery }) => delivery.id);
      expect(new Set(ids).size).toBe(ids.length);
      for (let rest = await claim(store); rest.length > 0; rest = await claim(store))
        ids.push(...rest.map(({ delivery }) => delivery.id));
      expect(new Set(ids).size).toBe(10);
    });

    it('are due again when their last try says so', async () => {
      const store = await open();
      await added(store);
      await failed(store);
      const { delivery } = await claimOne(store);
      const tried = {
        ...DELIVERED,
        state: 'pending',
        status: 500,
        error: 'refused',
        nextAt: NOW + 5000,
      } as const;
      await store.finishDelivery(delivery, tried);
      expect(await claim(store, { now: NOW + 4999 })).toEqual([]);
      const second = await claimOne(store, NOW + 5000);
      expect(second.delivery).toMatchObject({ tries: 1, status: 500, error: 'refused' });
      await store.finishDelivery(second.delivery, { ...tried, status: undefined, answer: undefined });
      expect(await store.delivery('project', delivery.id)).not.toHaveProperty('status');
    });

    it('are taken from every lane, the earliest first, and no more than there is room for', async () => {
      const store = await open();
      const [busy, quiet] = [await added(store), await added(store)];
      const task = await failed(store);
      const base: Delivery = (await all(store)).find(({ lane }) => lane === busy.id) as Delivery;
      for (let n = 0; n < 5; n++)
        await store.addDelivery({ ...base, id: `whd_${newId()}`, nextAt: base.nextAt - 5 + n });
      const lanes = (claimed: readonly ClaimedDelivery[]) => claimed.map(({ delivery }) => delivery.lane);
      const first = await claim(store, { perLane: 2 });
      expect(lanes(first)).toEqual([busy.id, busy.id, quiet.id]);
      expect(first.map(({ delivery }) => delivery.nextAt)).toEqual([NOW - 5, NOW - 4, NOW]);
      expect(await claim(store, { inLane: { [busy.id]: 0 } })).toEqual([]);
      expect(await claim(store, { inProject: { project: 0 } })).toEqual([]);
      expect(await claim(store, { perProject: 1 })).toHaveLength(1);
      expect(await claim(store, { inLane: { [busy.id]: 1 }, perLane: 0 })).toHaveLength(1);
      expect(await claim(store, { limit: 1 })).toHaveLength(1);
      expect(await claim(store)).toHaveLength(1);
      expect(task.phase).toBe('failed');
    });

    it('go where their endpoint is now', async () => {
      const store = await open();
      const { id } = await added(store);
      await failed(store);
      await store.changeEndpoint('project', id, { url: 'https://example.com/moved' });
      expect((await claimOne(store)).delivery.url).toBe('https://example.com/moved');
      expect((await all(store))[0]?.url).toBe('https://example.com/moved');
    });

    it('are dead if their endpoint is disabled, and can be sent again later', async () => {
      const store = await open();
      const { id } = await added(store);
      await failed(store);
      const { delivery: inFlight } = await claimOne(store);
      await failed(store);
      await store.changeEndpoint('project', id, { disabledReason: 'gone' });
      await failed(store);
      const states = async () => (await all(store)).map(({ state, error }) => [state, error]);
      expect((await states()).sort()).toEqual([
        ['dead', 'endpoint_disabled'],
        ['pending', undefined],
      ]);
      expect(await store.redeliver('project', inFlight.id, NOW)).toBeUndefined();
      const dead = (await all(store)).find(({ state }) => state === 'dead');
      expect(await store.redeliver('other', dead?.id ?? '', NOW)).toBeUndefined();
      let told = 0;
      store.onDelivery(() => told++);
      expect(await store.redeliver('project', dead?.id ?? '', NOW + 7)).toMatchObject({
        state: 'pending',
        tries: 0,
        nextAt: NOW + 7,
      });
      expect(told).toBe(1);
      expect((await claimOne(store, NOW + 7)).delivery.id).toBe(dead?.id);
    });

    it('go with their endpoint, and with their task', async () => {
      const store = await open();
      const [one, two] = [await added(store), await added(store)];
      const [kept, gone]: Task[] = [await failed(store), await failed(store)];
      expect(await all(store)).toHaveLength(4);
      await store.removeEndpoint('project', one.id);
      expect((await all(store)).map(({ endpointId }) => endpointId)).toEqual([two.id, two.id]);
      const [{ delivery }] = (await claim(store)).filter(
        ({ delivery: { taskId } }) => taskId === gone?.id,
      ) as [ClaimedDelivery];
      await store.commit(moved(gone as Task, { type: 'deleted' }));
      expect((await all(store)).map(({ taskId }) => taskId)).toEqual([kept?.id]);
      expect(await store.finishDelivery(delivery, DELIVERED)).toBe(false);
    });

    it('keep their event while they are pending, and go with it afterwards', async () => {
      const store = await open();
      await added(store, { models: ['wanted'] });
      await failed(store, { request: aRequest({ model: 'wanted' }) });
      await failed(store);
      const later = NOW + 1_000_000;
      expect(await store.removeEvents(later, 500_000, 10)).toBe(1);
      const { delivery, event } = await claimOne(store);
      expect(event).toBeDefined();
      await store.finishDelivery(delivery, DELIVERED);
      const test = {
        ...delivery,
        id: `whd_${newId()}`,
        type: 'webhook.test',
        eventId: 'evt',
        state: 'dead',
      } as const;
      const { taskId: _, leasedUntil: __, ...old } = test;
      await store.addDelivery(old);
      await store.addDelivery({ ...old, id: `whd_${newId()}`, createdAt: later });
      expect(await store.removeEvents(later, 500_000, 10)).toBe(1);
      expect((await all(store)).map(({ createdAt }) => createdAt)).toEqual([later]);
    });

    it('are listed page by page, filtered', async () => {
      const store = await open();
      const [one, two] = [await added(store), await added(store)];
      const task = await failed(store);
      await failed(store);
      const list = await all(store);
      expect(list.map(({ id }) => id)).toEqual(
        list
          .map(({ id }) => id)
          .toSorted()
          .reverse(),
      );
      const query = { projectId: 'project', limit: 3 };
      expect(await store.deliveries(query)).toEqual(list.slice(0, 3));
      expect(await store.deliveries({ ...query, after: list[2]?.id })).toEqual(list.slice(3));
      const { delivery } = (await claim(store, { limit: 1 }))[0] as ClaimedDelivery;
      await store.finishDelivery(delivery, DELIVERED);
      const ids = async (filter: object) =>
        (await store.deliveries({ ...query, ...filter })).map(({ id }) => id);
      expect(await ids({ state: 'delivered' })).toEqual([delivery.id]);
      expect(await ids({ state: 'pending' })).toHaveLength(3);
      expect(await ids({ endpointId: one.id })).toHaveLength(2);
      expect(await ids({ endpointId: two.id, taskId: task.id })).toHaveLength(1);
    });
  });
}
