import type { Database } from 'better-sqlite3';
import { cursorAt, isBefore, type Place, pageOf, readCursor } from '../eventLog.ts';
import { EVENT } from '../readRows.ts';
import type { EventStore } from '../store.ts';
import { EVENTS, type EventRow, listOf } from '../tables.ts';
import type { SqliteParts } from './parts.ts';

type PlacedRow = EventRow & { readonly seq: number };

const placeOf = (seq: number): Place => ({ tx: 0n, seq: BigInt(seq) });

const pageSql = (where: string): string =>
  `select seq, ${listOf(EVENTS)} from events where ${where} seq > ? and seq <= ? order by seq limit ?`;
export const EVENTS_OF_PROJECT = pageSql('project_id = ? and');

/** Transactions of SQLite are committed one after the other, so the order of `seq` is final, and a view is the last of them. */
export function sqliteEvents(
  { rows, inGroup }: Pick<SqliteParts, 'rows' | 'inGroup'>,
  db: Database,
): EventStore {
  const log = db.prepare<[], { id: string; floor_seq: number; last: number }>(`
    select id, floor_seq, coalesce((select seq from sqlite_sequence where name = 'events'), 0) as last from event_log`);
  const events = db.prepare<[number, number, number], PlacedRow>(pageSql(''));
  const eventsOf = db.prepare<[string, number, number, number], PlacedRow>(EVENTS_OF_PROJECT);
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

  function present() {
    const row = log.get();
    if (!row) throw new Error('the table event_log has no row');
    return row;
  }

  function read(after: number, until: number, projectId: string | undefined, limit: number) {
    const found =
      projectId === undefined
        ? events.all(after, until, limit)
        : eventsOf.all(projectId, after, until, limit);
    return pageOf(
      present().id,
      found.flatMap((row) => rows.all(EVENT, [row]).map((event) => ({ event, place: placeOf(row.seq) }))),
      {
        view: String(until),
        settled: placeOf(until),
        last: found.length < limit ? undefined : placeOf(found.at(-1)?.seq ?? 0),
      },
    );
  }

  return {
    async newEvents(since, limit, next) {
      const { id, last } = present();
      if (since === undefined) return { events: [], view: String(last), end: cursorAt(id, placeOf(last)) };
      const after = next && readCursor(next.after)?.place.seq;
      return read(Number(after ?? since), Number(next?.view ?? last), undefined, limit);
    },
    async eventsAfter(cursor, { limit, projectId, view }) {
      const from = readCursor(cursor);
      const { id, last, floor_seq } = present();
      if (from?.log !== id || isBefore(placeOf(last), from.place)) return 'unknown';
      if (isBefore(from.place, placeOf(floor_seq))) return 'too_old';
      return read(Number(from.place.seq), Number(view ?? last), projectId, limit);
    },
    removeEvents: (now, keepMs, limit) =>
      inGroup(() => {
        const removed = remove.all(now - keepMs, limit);
        for (const { id } of removed) removeDeliveries.run(id);
        removeTests.run(now - keepMs);
        if (removed.length > 0) note.run(Math.max(...removed.map(({ seq }) => seq)));
        return removed.length;
      }),
    forgetCursors: () => inGroup(() => void forget.run()),
  };
}
