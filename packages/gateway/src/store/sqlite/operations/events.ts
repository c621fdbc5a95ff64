import type { Database } from 'better-sqlite3';
import { EVENTS, type EventRow, listOf } from '../../tables.ts';
import type { ReadParts, WriteParts } from './parts.ts';

export type PlacedRow = EventRow & { readonly seq: number };

/** The log as it is: its id, the last place of which events were removed, and that of the last event. */
export interface LogState {
  readonly id: string;
  readonly floor_seq: number;
  readonly last: number;
}

export const LOG_STATE = `
  select id, floor_seq, coalesce((select seq from sqlite_sequence where name = 'events'), 0) as last from event_log`;

/** More events than are ever written between two commits that are synced. */
const PLACES = 2 ** 30;

/**
 * Events that a power failure took were perhaps read before, and their places with them. No later event may have one of these places: whoever
 * goes on from there would miss it. Called at each start, before anything is written.
 */
export function skipLostPlaces(db: Database): void {
  db.transaction(() => {
    db.exec(`
      insert into sqlite_sequence (name, seq)
        select 'events', 0 where not exists (select 1 from sqlite_sequence where name = 'events');
      update sqlite_sequence set seq = seq + ${PLACES} where name = 'events'`);
  }).immediate();
}

const pageSql = (where: string): string =>
  `select seq, ${listOf(EVENTS)} from events where ${where} seq > ? and seq <= ? order by seq limit ?`;
export const EVENTS_OF_PROJECT = pageSql('project_id = ? and');

export function eventWrites({ db }: WriteParts) {
  const remove = db.prepare<[number, number], { seq: number; id: string }>(`
    delete from events where seq in (
      select seq from events where at <= ? and not exists (
        select 1 from webhook_deliveries d where d.event_id = events.id and d.state = 'pending')
      order by at limit ?) returning seq, id`);
  const removeDeliveries = db.prepare<[string]>('delete from webhook_deliveries where event_id = ?');
  const removeTests = db.prepare<[number]>(
    `delete from webhook_deliveries where task_id is null and state <> 'pending' and created_at <= ?`,
  );
  const note = db.prepare<[number]>('update event_log set floor_seq = max(floor_seq, ?)');
  const forget = db.prepare('update event_log set id = lower(hex(randomblob(8)))');
  return {
    removeEvents(until: number, limit: number): number {
      const removed = remove.all(until, limit);
      for (const { id } of removed) removeDeliveries.run(id);
      removeTests.run(until);
      if (removed.length > 0) note.run(Math.max(...removed.map(({ seq }) => seq)));
      return removed.length;
    },
    forgetCursors: (): void => void forget.run(),
  };
}

interface EventsQuery {
  readonly after: number;
  /** By default up to the last event. */
  readonly until: number | undefined;
  readonly projectId: string | undefined;
  readonly limit: number;
}

export function eventReads({ db }: ReadParts) {
  const state = db.prepare<[], LogState>(LOG_STATE);
  const events = db.prepare<[number, number, number], PlacedRow>(pageSql(''));
  const eventsOf = db.prepare<[string, number, number, number], PlacedRow>(EVENTS_OF_PROJECT);

  function read({ after, until, projectId, limit }: EventsQuery) {
    const log = state.get();
    if (!log) throw new Error('the table event_log has no row');
    const last = until ?? log.last;
    const rows =
      projectId === undefined ? events.all(after, last, limit) : eventsOf.all(projectId, after, last, limit);
    return { log, until: last, rows };
  }
  /** In one snapshot: events that are removed between two statements would be passed over. */
  return { events: db.snapshot(read) };
}
