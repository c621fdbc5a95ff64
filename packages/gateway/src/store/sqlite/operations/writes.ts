import type { Connection } from './connection.ts';
import { eventWrites } from './events.ts';
import { mediaWrites } from './media.ts';
import { accountWrites, estimateWrites, keyWrites } from './others.ts';
import type { WriteParts } from './parts.ts';
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
    ...taskWrites(parts),
    ...mediaWrites(parts),
    ...keyWrites(parts),
    ...accountWrites(parts),
    ...estimateWrites(parts),
    ...eventWrites(parts),
    ...webhookWrites(parts),
    ...retentionWrites(parts),
    /** Changes when another connection than that of the writes has committed. */
    dataVersion: (): number => db.dataVersion(),
  };
}

export type Writes = ReturnType<typeof createWrites>;
