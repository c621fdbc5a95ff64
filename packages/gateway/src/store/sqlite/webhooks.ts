import { deliveryList } from '../deliveryList.ts';
import { CLAIMED, DELIVERY, ENDPOINT } from '../readRows.ts';
import { endpointChangesToRow, webhookSecretFromRow } from '../tables.ts';
import type { WebhookStore } from '../webhooks.ts';
import { webhookRows } from './operations/webhooks.ts';
import type { SqliteParts } from './parts.ts';

export function sqliteWebhooks({ db, rows, read, write }: SqliteParts): Omit<WebhookStore, 'onDelivery'> {
  const one = webhookRows(db);
  return {
    addEndpoint: write.addEndpoint,
    endpoints: async (projectId) => rows.all(ENDPOINT, await read.endpoints(projectId)),
    async endpoint(projectId, id) {
      const row = one.endpoint.get(projectId, id);
      return row && rows.one(ENDPOINT, row);
    },
    async changeEndpoint(projectId, id, changes, only) {
      const row = await write.changeEndpoint(projectId, id, endpointChangesToRow(changes), only?.url);
      return row && rows.one(ENDPOINT, row);
    },
    removeEndpoint: write.removeEndpoint,
    async webhookSecret(projectId, endpointId, make) {
      const row =
        one.secret.get(projectId, endpointId) ?? (await write.webhookSecret(projectId, endpointId, make()));
      return webhookSecretFromRow(row);
    },
    rotateSecret: async (projectId, endpointId, secret, formerUntil) =>
      webhookSecretFromRow(await write.rotateSecret(projectId, endpointId, secret, formerUntil)),
    addDelivery: write.addDelivery,
    claimDeliveries: async (claim) => ({
      claimed: rows.all(CLAIMED, await write.claimDeliveries(claim)),
      skippedSome: false,
    }),
    finishDelivery: write.finishDelivery,
    async deliveries(query) {
      const { text, values } = deliveryList(query);
      return rows.all(DELIVERY, await read.deliveriesListed(text, values));
    },
    async delivery(projectId, id) {
      const row = one.delivery.get(projectId, id);
      return row && rows.one(DELIVERY, row);
    },
    async redeliver(projectId, id, now) {
      const row = await write.redeliver(projectId, id, now);
      return row && rows.one(DELIVERY, row);
    },
    pendingDeliveries: read.pendingDeliveries,
  };
}
