import type { Database } from 'better-sqlite3';
import { deliveryList } from '../deliveryList.ts';
import { CLAIMED, DELIVERY, ENDPOINT } from '../readRows.ts';
import {
  assign,
  CLAIMED_DELIVERY,
  type ClaimedRow,
  DELIVERIES,
  type DeliveryRow,
  deliveryToRow,
  ENDPOINTS,
  type EndpointRow,
  endpointChangesToRow,
  endpointToRow,
  finishedToRow,
  JOIN_CLAIMED,
  listOf,
  WEBHOOK_SECRETS,
  type WebhookSecretRow,
  webhookSecretFromRow,
} from '../tables.ts';
import { type DeliveryClaim, DISABLED, type WebhookSecret, type WebhookStore } from '../webhooks.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteWebhooks(parts: SqliteParts, db: Database): Omit<WebhookStore, 'onDelivery'> {
  return { ...endpointsIn(parts, db), ...secretsIn(parts, db), ...deliveriesIn(parts, db) };
}

type EndpointPart = Pick<
  WebhookStore,
  'addEndpoint' | 'endpoints' | 'endpoint' | 'changeEndpoint' | 'removeEndpoint'
>;

function endpointsIn({ rows, inGroup }: SqliteParts, db: Database): EndpointPart {
  const select = `select ${listOf(ENDPOINTS)} from webhook_endpoints`;
  const one = db.prepare<[string, string], EndpointRow>(`${select} where project_id = ? and id = ?`);
  const all = db.prepare<[string], EndpointRow>(`${select} where project_id = ? order by id`);
  const count = db.prepare<[string], number>('select count(*) from webhook_endpoints where project_id = ?');
  const put = db.prepare(
    `insert into webhook_endpoints (${listOf(ENDPOINTS)}) values (${listOf(ENDPOINTS, '@')})`,
  );
  const putSecret = db.prepare<[string, string, string]>(
    'insert into webhook_secrets (project_id, endpoint_id, secret) values (?, ?, ?)',
  );
  const change = db.prepare(`update webhook_endpoints set ${assign(ENDPOINTS, '@')} where id = @id`);
  const kill = db.prepare<[string, string]>(
    `update webhook_deliveries set state = 'dead', error = ? where endpoint_id = ? and state = 'pending' and leased_until is null`,
  );
  const remove = db.prepare<[string, string]>(
    'delete from webhook_endpoints where project_id = ? and id = ?',
  );
  const removeSecret = db.prepare<[string]>('delete from webhook_secrets where endpoint_id = ?');
  const removeDeliveries = db.prepare<[string]>('delete from webhook_deliveries where endpoint_id = ?');

  return {
    addEndpoint: (endpoint, secret, most) =>
      inGroup(() => {
        if ((count.pluck().get(endpoint.projectId) ?? 0) >= most) return false;
        put.run(endpointToRow(endpoint));
        putSecret.run(endpoint.projectId, endpoint.id, secret);
        return true;
      }),
    endpoints: async (projectId) => rows.all(ENDPOINT, all.all(projectId)),
    async endpoint(projectId, id) {
      const row = one.get(projectId, id);
      return row && rows.one(ENDPOINT, row);
    },
    changeEndpoint: (projectId, id, changes, only) =>
      inGroup(() => {
        const before = one.get(projectId, id);
        if (!before || (only && only.url !== before.url)) return undefined;
        const row = { ...before, ...endpointChangesToRow(changes) };
        change.run(row);
        if (row.disabled_reason !== null) kill.run(DISABLED, id);
        return rows.one(ENDPOINT, row);
      }),
    removeEndpoint: (projectId, id) =>
      inGroup(() => {
        if (remove.run(projectId, id).changes === 0) return false;
        removeSecret.run(id);
        removeDeliveries.run(id);
        return true;
      }),
  };
}

function secretsIn(
  { inGroup }: SqliteParts,
  db: Database,
): Pick<WebhookStore, 'webhookSecret' | 'rotateSecret'> {
  const names = listOf(WEBHOOK_SECRETS);
  const get = db.prepare<[string, string], WebhookSecretRow>(
    `select ${names} from webhook_secrets where project_id = ? and endpoint_id = ?`,
  );
  const put = db.prepare<[string, string, string, number | null]>(`
    insert into webhook_secrets (project_id, endpoint_id, secret, former_until) values (?, ?, ?, ?)
    on conflict (project_id, endpoint_id) do update
    set secret = excluded.secret, former_secret = secret, former_until = excluded.former_until`);

  function secretOf(projectId: string, endpointId: string): WebhookSecret {
    const row = get.get(projectId, endpointId);
    if (!row) throw new Error(`the secret of ${endpointId || projectId} was not written`);
    return webhookSecretFromRow(row);
  }

  return {
    webhookSecret: (projectId, endpointId, make) =>
      inGroup(() => {
        if (!get.get(projectId, endpointId)) put.run(projectId, endpointId, make(), null);
        return secretOf(projectId, endpointId);
      }),
    rotateSecret: (projectId, endpointId, secret, formerUntil) =>
      inGroup(() => {
        put.run(projectId, endpointId, secret, formerUntil);
        return secretOf(projectId, endpointId);
      }),
  };
}

type DeliveryPart = Omit<WebhookStore, keyof EndpointPart | 'webhookSecret' | 'rotateSecret' | 'onDelivery'>;

function deliveriesIn({ rows, inGroup, onDelivery }: SqliteParts, db: Database): DeliveryPart {
  const names = listOf(DELIVERIES);
  const select = `select ${names} from webhook_deliveries`;
  const claimDue = createClaim(db);
  const claimed = db.prepare<[string], ClaimedRow>(`
    select ${CLAIMED_DELIVERY} from webhook_deliveries d ${JOIN_CLAIMED}
    where d.id in (select value from json_each(?)) order by d.next_at`);
  const put = db.prepare(`insert into webhook_deliveries (${names}) values (${listOf(DELIVERIES, '@')})`);
  const finish = db.prepare(`
    update webhook_deliveries set ${assign(DELIVERIES, '@')} where id = @id and leased_until = @lease`);
  const one = db.prepare<[string, string], DeliveryRow>(`${select} where project_id = ? and id = ?`);
  const again = db.prepare<object, DeliveryRow>(`
    update webhook_deliveries set state = 'pending', tries = 0, next_at = @now, leased_until = null
    where project_id = @projectId and id = @id and (leased_until is null or leased_until <= @now)
    returning ${names}`);
  const pending = db.prepare<[], number>(`select count(*) from webhook_deliveries where state = 'pending'`);

  return {
    addDelivery: (delivery) => inGroup(() => void put.run(deliveryToRow(delivery))),
    claimDeliveries: (claim) =>
      inGroup(() => ({
        claimed: rows.all(CLAIMED, claimed.all(JSON.stringify(claimDue(claim)))),
        skippedSome: false,
      })),
    finishDelivery: (delivery, outcome) =>
      inGroup(
        () => finish.run({ ...finishedToRow(delivery, outcome), lease: delivery.leasedUntil }).changes === 1,
      ),
    async deliveries(query) {
      const { text, values } = deliveryList(query);
      const numbered = Object.fromEntries(values.map((value, n) => [n + 1, value]));
      return rows.all(DELIVERY, db.prepare<object, DeliveryRow>(text).all(numbered));
    },
    async delivery(projectId, id) {
      const row = one.get(projectId, id);
      return row && rows.one(DELIVERY, row);
    },
    redeliver: (projectId, id, now) =>
      inGroup(() => {
        const row = again.get({ projectId, id, now });
        if (row) onDelivery();
        return row && rows.one(DELIVERY, row);
      }),
    pendingDeliveries: async () => pending.pluck().get() ?? 0,
  };
}

/** When a pending delivery may be taken: the expression of the index. */
const DUE = 'max(next_at, coalesce(leased_until, 0))';

/** Lanes of which something is due, the one that has waited longest first. See the migration `0017_webhook_lookups`. */
export const DUE_LANES = 'select lane, project_id from webhook_lanes where due_at <= ? order by due_at';
export const DUE_OF_LANE = `
  select id from webhook_deliveries where lane = ? and state = 'pending' and ${DUE} <= ? order by ${DUE} limit ?`;

/**
 * Leases deliveries that are due. Returns their ids. Goes from lane to lane: one with many deliveries does not delay others. Costs as much as
 * there is to take, and a row for each lane that is passed over because it or its project is full.
 */
function createClaim(db: Database): (claim: DeliveryClaim) => string[] {
  const lanes = db.prepare<[number], { lane: string; project_id: string }>(DUE_LANES);
  const due = db.prepare<[string, number, number], string>(DUE_OF_LANE).pluck();
  const lease = db.prepare<object>(`
    update webhook_deliveries
    set leased_until = @until, url = coalesce((select url from webhook_endpoints p where p.id = endpoint_id), url)
    where id in (select value from json_each(@ids))`);

  return ({ now, leaseMs, limit, perLane, inLane, perProject, inProject }) => {
    const ids: string[] = [];
    const leftOf = new Map<string, number>();
    for (const { lane, project_id: project } of lanes.iterate(now)) {
      if (ids.length >= limit) break;
      const left = leftOf.get(project) ?? inProject[project] ?? perProject;
      const free = Math.min(limit - ids.length, left, inLane[lane] ?? perLane);
      if (free <= 0) continue;
      const taken = due.all(lane, now, free);
      leftOf.set(project, left - taken.length);
      ids.push(...taken);
    }
    if (ids.length > 0) lease.run({ ids: JSON.stringify(ids), until: now + leaseMs });
    return ids;
  };
}
