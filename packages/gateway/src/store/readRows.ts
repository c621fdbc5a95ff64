import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { TaskEvent } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import type { KeyRow, KeyWithProject, ProjectRow, StoredAuditRow } from './projects.ts';
import type { MediaRow } from './store.ts';
import {
  type AuditTableRow,
  auditFromRow,
  type ClaimedRow,
  claimedFromRow,
  type DeliveryRow,
  deliveryFromRow,
  type EndpointRow,
  type EventRow,
  endpointFromRow,
  eventFromRow,
  type KeyTableRow,
  type KeyWithProjectRow,
  keyFromRow,
  keyWithProjectFromRow,
  type MediaTableRow,
  mediaFromRow,
  type ProjectTableRow,
  projectFromRow,
  type TaskWithAttempt,
  taskFromRow,
} from './tables.ts';
import type { ClaimedDelivery, Delivery, WebhookEndpoint } from './webhooks.ts';

/** A table, and how its rows are parsed. */
export interface RowKind<Row extends { readonly id: string }, T> {
  readonly table: string;
  /** Throws an error that says what is wrong with the row. */
  readonly parse: (row: Row) => T;
}

export const TASK: RowKind<TaskWithAttempt, Task> = {
  table: 'tasks',
  parse: taskFromRow,
};
export const MEDIA: RowKind<MediaTableRow, MediaRow> = {
  table: 'media',
  parse: mediaFromRow,
};
export const KEY: RowKind<KeyTableRow, KeyRow> = {
  table: 'keys',
  parse: keyFromRow,
};
export const KEY_WITH_PROJECT: RowKind<KeyWithProjectRow, KeyWithProject> = {
  table: 'keys',
  parse: keyWithProjectFromRow,
};
export const PROJECT: RowKind<ProjectTableRow, ProjectRow> = {
  table: 'projects',
  parse: projectFromRow,
};
export const AUDIT: RowKind<AuditTableRow, StoredAuditRow> = {
  table: 'audit',
  parse: auditFromRow,
};
export const EVENT: RowKind<EventRow, TaskEvent> = {
  table: 'events',
  parse: eventFromRow,
};

export const ENDPOINT: RowKind<EndpointRow, WebhookEndpoint> = {
  table: 'webhook_endpoints',
  parse: endpointFromRow,
};
export const DELIVERY: RowKind<DeliveryRow, Delivery> = {
  table: 'webhook_deliveries',
  parse: deliveryFromRow,
};
export const CLAIMED: RowKind<ClaimedRow, ClaimedDelivery> = {
  table: 'webhook_deliveries',
  parse: claimedFromRow,
};

/** Parses stored rows. A row that cannot be parsed is set aside (it is logged and skipped), so that it does not block the others. */
export interface RowReader {
  /** Number of rows set aside since the start, each counted once. */
  readonly unreadable: number;
  /** The rows that can be parsed. */
  all<Row extends { readonly id: string }, T>(kind: RowKind<Row, T>, rows: readonly Row[]): T[];
  /** Throws a 500 if the row cannot be parsed. The log names the row. */
  one<Row extends { readonly id: string }, T>(kind: RowKind<Row, T>, row: Row): T;
  /**
   * Up to `limit` rows that can be parsed. Fewer mean that there are no more, even if rows were set aside. `read` returns the rows
   * that follow `before`, at most as many as it is asked for.
   */
  page<Row extends { readonly id: string }, T>(
    kind: RowKind<Row, T>,
    limit: number,
    read: (limit: number, before: readonly Row[]) => readonly Row[] | Promise<readonly Row[]>,
  ): Promise<T[]>;
}

/** Most rows that are remembered, so that each is logged and counted once. */
const MOST_REMEMBERED = 10_000;

export function createRowReader(log?: Pick<Log, 'error'>): RowReader {
  const known = new Set<string>();

  function setAside({ table }: RowKind<never, unknown>, id: string, reason: unknown): void {
    const name = `${table} ${id}`;
    if (known.has(name) || known.size >= MOST_REMEMBERED) return;
    known.add(name);
    log?.error(
      { event: 'store.row_unreadable', table, id, reason: wordsOf(reason) },
      'a stored row cannot be read and is set aside; see docs/operations.md',
    );
  }

  const reader: RowReader = {
    get unreadable() {
      return known.size;
    },
    all(kind, rows) {
      return rows.flatMap((row) => {
        try {
          return [kind.parse(row)];
        } catch (error) {
          setAside(kind, row.id, error);
          return [];
        }
      });
    },
    one(kind, row) {
      try {
        return kind.parse(row);
      } catch (error) {
        setAside(kind, row.id, error);
        const cause = new Error(`row ${row.id} of ${kind.table} cannot be read: ${wordsOf(error)}`);
        const message =
          'What is stored of this cannot be read; the operator of the gateway finds why in its log.';
        throw new OnetakeError('row_unreadable', 500, message, {}, cause);
      }
    },
    async page(kind, limit, read) {
      const good: ReturnType<typeof kind.parse>[] = [];
      const before: Parameters<typeof kind.parse>[0][] = [];
      for (;;) {
        const wanted = limit - good.length;
        const rows = await read(wanted, before);
        good.push(...reader.all(kind, rows));
        if (rows.length < wanted || good.length >= limit) return good;
        before.push(...rows);
      }
    },
  };
  return reader;
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
