import type { Connection } from './connection.ts';
import { eventReads } from './events.ts';
import { mediaReads } from './media.ts';
import { otherReads } from './others.ts';
import type { ReadParts } from './parts.ts';
import { projectReads } from './projects.ts';
import { quotaReads } from './quotas.ts';
import { retentionReads } from './retention.ts';
import { prepareStatements } from './statements.ts';
import { taskReads } from './tasks.ts';
import { webhookReads } from './webhooks.ts';

/** Everything that may read many rows. As for writes, arguments and rows can be sent from thread to thread. */
export function createReads(db: Connection) {
  const parts: ReadParts = { db, sql: prepareStatements(db) };
  return {
    ...taskReads(parts),
    ...mediaReads(parts),
    ...otherReads(parts),
    ...projectReads(parts),
    ...eventReads(parts),
    ...webhookReads(parts),
    ...retentionReads(parts),
    ...quotaReads(parts),
  };
}

export type Reads = ReturnType<typeof createReads>;
