import { cursorAt, isBefore, type Place, pageOf, readCursor } from '../eventLog.ts';
import { EVENT } from '../readRows.ts';
import type { EventStore } from '../store.ts';
import { LOG_STATE, type LogState } from './operations/events.ts';
import type { Reads } from './operations/reads.ts';
import type { SqliteParts } from './parts.ts';

const placeOf = (seq: number): Place => ({ tx: 0n, seq: BigInt(seq) });

/** Transactions of SQLite are committed one after the other, so the order of `seq` is final, and a view is the last of them. */
export function sqliteEvents({ db, rows, read, write }: SqliteParts): EventStore {
  const state = db.prepare<[], LogState>(LOG_STATE);

  function pageFrom({ log, until, rows: found }: ReturnType<Reads['events']>, limit: number) {
    return pageOf(
      log.id,
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
      if (since === undefined) {
        const log = state.get();
        if (!log) throw new Error('the table event_log has no row');
        return { events: [], view: String(log.last), end: cursorAt(log.id, placeOf(log.last)) };
      }
      const after = next && readCursor(next.after)?.place.seq;
      const until = next && Number(next.view);
      return pageFrom(
        await read.events({ after: Number(after ?? since), until, projectId: undefined, limit }),
        limit,
      );
    },
    async eventsAfter(cursor, { limit, projectId, view }) {
      const from = readCursor(cursor);
      if (!from) return 'unknown';
      const until = view === undefined ? undefined : Number(view);
      const found = await read.events({ after: Number(from.place.seq), until, projectId, limit });
      const { id, last, floor_seq } = found.log;
      if (from.log !== id || isBefore(placeOf(last), from.place)) return 'unknown';
      if (isBefore(from.place, placeOf(floor_seq))) return 'too_old';
      return pageFrom(found, limit);
    },
    removeEvents: (now, keepMs, limit) => write.removeEvents(now - keepMs, limit),
    forgetCursors: write.forgetCursors,
  };
}
