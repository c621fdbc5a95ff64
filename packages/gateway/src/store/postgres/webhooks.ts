import { deliveryList } from '../deliveryList.ts';
import { jsonRows } from '../jsonRows.ts';
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
  typesOf,
  WEBHOOK_SECRETS,
  type WebhookSecretRow,
  webhookSecretFromRow,
} from '../tables.ts';
import { DISABLED, type WebhookStore } from '../webhooks.ts';
import type { PostgresParts } from './pool.ts';
import { named } from './statements.ts';

const endpoints = listOf(ENDPOINTS);
const secrets = listOf(WEBHOOK_SECRETS);
const deliveries = listOf(DELIVERIES);

/** Due deliveries of which a claim looks at each. With more, lanes that are full may have most of them. */
export const FEW_DUE = 1000;

/** The only row of a parameter that `jsonRows` made. */
const rowOf = (parameter: number, columns: Parameters<typeof typesOf>[0], alias: string): string =>
  `json_to_recordset($${parameter}::json) as ${alias}(${Object.entries(typesOf(columns))
    .map(([name, type]) => `${name} ${type}`)
    .join(', ')})`;

const SQL = named({
  /** Held until the transaction ends, so that endpoints which are added at once are counted one after the other. */
  lockProject: `select pg_advisory_xact_lock(hashtextextended(json_build_array('webhook_endpoints', $1::text)::text, 0))`,
  /** $1 the endpoint, $2 its secret, $3 the most that a project may have. */
  addEndpoint: `
    with added as (
      insert into webhook_endpoints (${endpoints}) select ${listOf(ENDPOINTS, 'e.')} from ${rowOf(1, ENDPOINTS, 'e')}
      where (select count(*) from webhook_endpoints o where o.project_id = e.project_id) < $3::bigint
      returning id, project_id
    )
    insert into webhook_secrets (project_id, endpoint_id, secret) select project_id, id, $2 from added returning endpoint_id`,
  endpoints: `select ${endpoints} from webhook_endpoints where project_id = $1 order by id`,
  endpoint: `select ${endpoints} from webhook_endpoints where project_id = $1 and id = $2`,
  killDeliveries: `
    update webhook_deliveries set state = 'dead', error = $2
    where endpoint_id = $1 and state = 'pending' and leased_until is null`,
  removeEndpoint: `
    with removed as (delete from webhook_endpoints where project_id = $1 and id = $2 returning id),
    forgotten as (delete from webhook_secrets where endpoint_id in (select id from removed)),
    undelivered as (delete from webhook_deliveries where endpoint_id in (select id from removed))
    select id from removed`,

  putSecret: `
    insert into webhook_secrets (project_id, endpoint_id, secret) values ($1, $2, $3) on conflict (project_id, endpoint_id) do nothing`,
  secret: `select ${secrets} from webhook_secrets where project_id = $1 and endpoint_id = $2`,
  rotateSecret: `
    insert into webhook_secrets (project_id, endpoint_id, secret, former_until) values ($1, $2, $3, $4)
    on conflict (project_id, endpoint_id) do update
    set secret = excluded.secret, former_secret = webhook_secrets.secret, former_until = excluded.former_until
    returning ${secrets}`,

  addDelivery: `insert into webhook_deliveries (${deliveries}) select ${deliveries} from ${rowOf(1, DELIVERIES, 'd')}`,
  /**
   * Leases deliveries that are due at $1 until $2, $3 at most: $4 of a lane, or as many as $5 says, and $6 of a project, or as many as $7
   * says. It goes from one lane to the next, so that one with many deliveries does not delay others: if few are due, over the lanes of these,
   * and otherwise it jumps from lane to lane over all with something pending. Those that another node is taking are skipped; how many is in each
   * row, of which there is one without a delivery if none was leased.
   */
  claimDeliveries: `
    with recursive few as materialized (
      select lane from webhook_deliveries where state = 'pending' and next_at <= $1::bigint order by next_at limit ${FEW_DUE}
    ),
    walked as (
      (select lane from webhook_deliveries where state = 'pending' and (select count(*) from few) = ${FEW_DUE} order by lane limit 1)
      union all
      select (select d.lane from webhook_deliveries d where d.state = 'pending' and d.lane > l.lane order by d.lane limit 1)
      from walked l where l.lane is not null
    ),
    lanes as (
      select distinct lane from few where (select count(*) from few) < ${FEW_DUE}
      union all
      select lane from walked where lane is not null
    ),
    due as (
      select o.*, row_number() over (partition by o.project_id order by o.next_at) as rank
      from lanes l cross join lateral (
        select d.id, d.project_id, d.next_at from webhook_deliveries d
        where d.state = 'pending' and d.lane = l.lane and d.next_at <= $1::bigint
          and (d.leased_until is null or d.leased_until <= $1)
        order by d.next_at limit coalesce(($5::json ->> l.lane)::bigint, $4::bigint)
      ) o
    ),
    wanted as materialized (
      select id from due where rank <= coalesce(($7::json ->> project_id)::bigint, $6::bigint)
      order by next_at limit $3
    ),
    free as materialized (
      select id from webhook_deliveries
      where id = any(array(select id from wanted)) and state = 'pending' and (leased_until is null or leased_until <= $1)
      order by id for update skip locked
    ),
    d as (
      update webhook_deliveries t
      set leased_until = $2, url = coalesce((select url from webhook_endpoints p where p.id = t.endpoint_id), t.url)
      from free where t.id = free.id
      returning ${listOf(DELIVERIES, 't.')}
    )
    select ${CLAIMED_DELIVERY}, c.skipped
    from (select (select count(*) from wanted) - (select count(*) from free) as skipped) c
    left join d on true ${JOIN_CLAIMED} order by d.next_at`,
  finishDelivery: `
    update webhook_deliveries t set ${assign(DELIVERIES, 'g.')}
    from ${rowOf(1, DELIVERIES, 'g')} where t.id = g.id and t.leased_until = $2
    returning t.id`,
  delivery: `select ${deliveries} from webhook_deliveries where project_id = $1 and id = $2`,
  redeliver: `
    update webhook_deliveries set state = 'pending', tries = 0, next_at = $3, leased_until = null
    where project_id = $1 and id = $2 and (leased_until is null or leased_until <= $3)
    returning ${deliveries}`,
  pendingDeliveries: `select count(*) as pending from webhook_deliveries where state = 'pending'`,
});

export function postgresWebhooks(
  parts: PostgresParts,
  onDelivery: () => void,
): Omit<WebhookStore, 'onDelivery'> {
  return { ...endpointsIn(parts), ...secretsIn(parts), ...deliveriesIn(parts, onDelivery) };
}

type EndpointPart = Pick<
  WebhookStore,
  'addEndpoint' | 'endpoints' | 'endpoint' | 'changeEndpoint' | 'removeEndpoint'
>;

function endpointsIn({ connections: { run, read, transaction }, rows }: PostgresParts): EndpointPart {
  return {
    addEndpoint: (endpoint, secret, most) =>
      transaction(async (inside) => {
        await inside(SQL.lockProject, [endpoint.projectId]);
        const values = [jsonRows([endpointToRow(endpoint)]), secret, most];
        return (await inside(SQL.addEndpoint, values)).length > 0;
      }),
    endpoints: async (projectId) => rows.all(ENDPOINT, await read<EndpointRow>(SQL.endpoints, [projectId])),
    async endpoint(projectId, id) {
      const [row] = await read<EndpointRow>(SQL.endpoint, [projectId, id]);
      return row && rows.one(ENDPOINT, row);
    },
    changeEndpoint(projectId, id, changes, only) {
      const changed = Object.entries(endpointChangesToRow(changes));
      // At least one column, so that an empty change is a statement as well.
      const set = ['id = id', ...changed.map(([name], n) => `${name} = $${n + 4}`)].join(', ');
      return transaction(async (inside) => {
        const [row] = await inside<EndpointRow>(
          {
            text: `update webhook_endpoints set ${set} where project_id = $1 and id = $2 and ($3::text is null or url = $3) returning ${endpoints}`,
          },
          [projectId, id, only?.url, ...changed.map(([, value]) => value)],
        );
        if (row && row.disabled_reason !== null) await inside(SQL.killDeliveries, [id, DISABLED]);
        return row && rows.one(ENDPOINT, row);
      });
    },
    removeEndpoint: async (projectId, id) => (await run(SQL.removeEndpoint, [projectId, id])).length > 0,
  };
}

function secretsIn({
  connections: { run, read },
}: PostgresParts): Pick<WebhookStore, 'webhookSecret' | 'rotateSecret'> {
  const written = ([row]: readonly WebhookSecretRow[]) => {
    if (!row) throw new Error('a webhook secret was not written');
    return webhookSecretFromRow(row);
  };
  return {
    async webhookSecret(projectId, endpointId, make) {
      await run(SQL.putSecret, [projectId, endpointId, make()]);
      return written(await read<WebhookSecretRow>(SQL.secret, [projectId, endpointId]));
    },
    rotateSecret: async (projectId, endpointId, secret, formerUntil) =>
      written(await run<WebhookSecretRow>(SQL.rotateSecret, [projectId, endpointId, secret, formerUntil])),
  };
}

type DeliveryPart = Omit<WebhookStore, keyof EndpointPart | 'webhookSecret' | 'rotateSecret' | 'onDelivery'>;

function deliveriesIn(
  { connections: { run, read }, rows }: PostgresParts,
  onDelivery: () => void,
): DeliveryPart {
  return {
    async addDelivery(delivery) {
      await run(SQL.addDelivery, [jsonRows([deliveryToRow(delivery)])]);
    },
    async claimDeliveries({ now, leaseMs, limit, perLane, inLane, perProject, inProject }) {
      const values = [
        now,
        now + leaseMs,
        limit,
        perLane,
        JSON.stringify(inLane),
        perProject,
        JSON.stringify(inProject),
      ];
      const found = await run<ClaimedRow & { skipped: number }>(SQL.claimDeliveries, values);
      return {
        claimed: rows.all(
          CLAIMED,
          found.filter(({ id }) => id !== null),
        ),
        skippedSome: found.some(({ skipped }) => skipped > 0),
      };
    },
    finishDelivery: async (delivery, outcome) =>
      (await run(SQL.finishDelivery, [jsonRows([finishedToRow(delivery, outcome)]), delivery.leasedUntil]))
        .length > 0,
    async deliveries(query) {
      const { text, values } = deliveryList(query);
      return rows.all(DELIVERY, await read<DeliveryRow>({ text }, values));
    },
    async delivery(projectId, id) {
      const [row] = await read<DeliveryRow>(SQL.delivery, [projectId, id]);
      return row && rows.one(DELIVERY, row);
    },
    async redeliver(projectId, id, now) {
      const [row] = await run<DeliveryRow>(SQL.redeliver, [projectId, id, now]);
      if (row) onDelivery();
      return row && rows.one(DELIVERY, row);
    },
    async pendingDeliveries() {
      const [row] = await read<{ pending: number }>(SQL.pendingDeliveries);
      return row?.pending ?? 0;
    },
  };
}
