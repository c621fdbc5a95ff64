import type { Connection } from './connection.ts';
import { eventWrites } from './events.ts';
import { mediaWrites } from './media.ts';
import { accountWrites, estimateWrites, keyWrites } from './others.ts';
import type { WriteParts } from './parts.ts';
import { keyChangeWrites, projectWrites } from './projects.ts';
import { quotasOf, quotaWrites } from './quotas.ts';
import { retentionWrites } from './retention.ts';
import { prepareStatements } from './statements.ts';
import { taskWrites } from './tasks.ts';
import { webhookWrites } from './webhooks.ts';

/**
 * Everything that is written, each in a transaction of whoever calls it. Arguments and results can be sent from thread to thread: rows are
 * as they are stored, and are parsed by whoever asked for them.
 */
export function createWrites(db: Connection, onDelivery: () => void) {
  const parts: WriteParts = { db, sql: prepareStatements(db), onDelivery };
  return {
    ...taskWrites(parts, quotasOf(parts)),
    ...quotaWrites(parts),
    ...mediaWrites(parts),
    ...keyWrites(parts),
    ...keyChangeWrites(parts),
    ...projectWrites(parts),
    ...accountWrites(parts),
    ...estimateWrites(parts),
    ...eventWrites(parts),
    ...webhookWrites(parts),
    ...retentionWrites(parts),
    /** Changes when another connection than that of the writes has committed. */
    dataVersion: (): string => db.dataVersion(),
  };
}

export type Writes = ReturnType<typeof createWrites>;

/**
 * Writes that need no sync of their own, because after a power failure they are made again from what is there: a delivery is sent again
 * under its id, a poster is made again, rows of objects that are being stored are written when they are stored again, and an upstream
 * tells again that it works on a job.
 */
const RIDES: { readonly [K in keyof Writes]?: (...args: Parameters<Writes[K]>) => boolean } = {
  // A poster that is pending is made again.
  putMedia: (rows) => rows.every(({ state, kind }) => state === 'pending' || kind === 'poster'),
  commit: ({ repeatable }) => repeatable === true,
  markChecked: () => true,
  reportTrouble: () => true,
  putEstimate: () => true,
  claimDeliveries: () => true,
  finishDelivery: () => true,
};

/** Whether a write becomes durable with the next one that does not ride. */
export function rides(name: string, args: readonly unknown[]): boolean {
  const test: ((...args: never[]) => boolean) | undefined = RIDES[name as keyof Writes];
  return test?.(...(args as never[])) ?? false;
}
