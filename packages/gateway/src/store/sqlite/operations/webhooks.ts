import {
  assign,
  CLAIMED_DELIVERY,
  type ClaimedRow,
  DELIVERIES,
  type DeliveryRow,
  deliveryToRow,
  ENDPOINTS,
  type EndpointRow,
  endpointToRow,
  finishedToRow,
  JOIN_CLAIMED,
  listOf,
  WEBHOOK_SECRETS,
  type WebhookSecretRow,
} from '../../tables.ts';
import {
  type ClaimedDelivery,
  type Delivery,
  type DeliveryClaim,
  type DeliveryOutcome,
  DISABLED,
  type WebhookEndpoint,
} from '../../webhooks.ts';
import type { Connection } from './connection.ts';
import type { ReadParts, WriteParts } from './parts.ts';

/** Statements that read one row by its key. */
export function webhookRows(db: Connection) {
  return {
    endpoint: db.prepare<[string, string], EndpointRow>(
      `select ${listOf(ENDPOINTS)} from webhook_endpoints where project_id = ? and id = ?`,
    ),
    secret: db.prepare<[string, string], WebhookSecretRow>(
      `select ${listOf(WEBHOOK_SECRETS)} from webhook_secrets where project_id = ? and endpoint_id = ?`,
    ),
    delivery: db.prepare<[string, string], DeliveryRow>(
      `select ${listOf(DELIVERIES)} from webhook_deliveries where project_id = ? and id = ?`,
    ),
  };
}

export const webhookWrites = (parts: WriteParts) => ({
  ...endpointWrites(parts),
  ...secretWrites(parts),
  ...deliveryWrites(parts),
});

function endpointWrites({ db }: WriteParts) {
  const { endpoint: one } = webhookRows(db);
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
    addEndpoint(endpoint: WebhookEndpoint, secret: string, most: number): boolean {
      if ((count.pluck().get(endpoint.projectId) ?? 0) >= most) return false;
      put.run(endpointToRow(endpoint));
      putSecret.run(endpoint.projectId, endpoint.id, secret);
      return true;
    },
    /** `onlyUrl`: nothing is changed if it has another one. */
    changeEndpoint(
      projectId: string,
      id: string,
      changes: Partial<EndpointRow>,
      onlyUrl: string | undefined,
    ): EndpointRow | undefined {
      const before = one.get(projectId, id);
      if (!before || (onlyUrl !== undefined && onlyUrl !== before.url)) return undefined;
      const row = { ...before, ...changes };
      change.run(row);
      if (row.disabled_reason !== null) kill.run(DISABLED, id);
      return row;
    },
    removeEndpoint(projectId: string, id: string): boolean {
      if (remove.run(projectId, id).changes === 0) return false;
      removeSecret.run(id);
      removeDeliveries.run(id);
      return true;
    },
  };
}

function secretWrites({ db }: WriteParts) {
  const { secret: get } = webhookRows(db);
  const put = db.prepare<[string, string, string, number | null]>(`
    insert into webhook_secrets (project_id, endpoint_id, secret, former_until) values (?, ?, ?, ?)
    on conflict (project_id, endpoint_id) do update
    set secret = excluded.secret, former_secret = secret, former_until = excluded.former_until`);

  function secretOf(projectId: string, endpointId: string): WebhookSecretRow {
    const row = get.get(projectId, endpointId);
    if (!row) throw new Error(`the secret of ${endpointId || projectId} was not written`);
    return row;
  }

  return {
    /** Writes a secret if there is none. */
    webhookSecret(projectId: string, endpointId: string, secret: string): WebhookSecretRow {
      if (!get.get(projectId, endpointId)) put.run(projectId, endpointId, secret, null);
      return secretOf(projectId, endpointId);
    },
    rotateSecret(
      projectId: string,
      endpointId: string,
      secret: string,
      formerUntil: number,
    ): WebhookSecretRow {
      put.run(projectId, endpointId, secret, formerUntil);
      return secretOf(projectId, endpointId);
    },
  };
}

function deliveryWrites({ db, onDelivery }: WriteParts) {
  const names = listOf(DELIVERIES);
  const claimDue = createClaim(db);
  const claimed = db.prepare<[string], ClaimedRow>(`
    select ${CLAIMED_DELIVERY} from webhook_deliveries d ${JOIN_CLAIMED}
    where d.id in (select value from json_each(?)) order by d.next_at`);
  const put = db.prepare(`insert into webhook_deliveries (${names}) values (${listOf(DELIVERIES, '@')})`);
  const finish = db.prepare(`
    update webhook_deliveries set ${assign(DELIVERIES, '@')} where id = @id and leased_until = @lease`);
  const again = db.prepare<object, DeliveryRow>(`
    update webhook_deliveries set state = 'pending', tries = 0, next_at = @now, leased_until = null
    where project_id = @projectId and id = @id and (leased_until is null or leased_until <= @now)
    returning ${names}`);

  return {
    addDelivery: (delivery: Delivery): void => void put.run(deliveryToRow(delivery)),
    claimDeliveries: (claim: DeliveryClaim): readonly ClaimedRow[] =>
      claimed.all(JSON.stringify(claimDue(claim))),
    finishDelivery: (delivery: ClaimedDelivery['delivery'], outcome: DeliveryOutcome): boolean =>
      finish.run({ ...finishedToRow(delivery, outcome), lease: delivery.leasedUntil }).changes === 1,
    redeliver(projectId: string, id: string, now: number): DeliveryRow | undefined {
      const row = again.get({ projectId, id, now });
      if (row) onDelivery();
      return row;
    },
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
function createClaim(db: Connection): (claim: DeliveryClaim) => string[] {
  const lanes = db.prepare<[number], { lane: string; project_id: string }>(DUE_LANES);
  const due = db.prepare<[string, number, number], string>(DUE_OF_LANE);
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
      const taken = due.pluck().all(lane, now, free);
      leftOf.set(project, left - taken.length);
      ids.push(...taken);
    }
    if (ids.length > 0) lease.run({ ids: JSON.stringify(ids), until: now + leaseMs });
    return ids;
  };
}

export function webhookReads({ db }: ReadParts) {
  const endpoints = db.prepare<[string], EndpointRow>(
    `select ${listOf(ENDPOINTS)} from webhook_endpoints where project_id = ? order by id`,
  );
  const pending = db.prepare<[], number>(`select count(*) from webhook_deliveries where state = 'pending'`);
  return {
    endpoints: (projectId: string) => endpoints.all(projectId),
    /** The rows of a list, whose statement has the values as `$1`, `$2` and so on. */
    deliveriesListed: (text: string, values: readonly (string | number)[]): readonly DeliveryRow[] =>
      db.prepare<object, DeliveryRow>(text).all(Object.fromEntries(values.map((value, n) => [n + 1, value]))),
    pendingDeliveries: (): number => pending.pluck().get() ?? 0,
  };
}
