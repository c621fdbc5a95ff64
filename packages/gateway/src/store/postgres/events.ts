import { DatabaseError } from 'pg';
import { cursorAt, isBefore, type Place, pageOf, readCursor, START } from '../eventLog.ts';
import { EVENT } from '../readRows.ts';
import type { EventStore } from '../store.ts';
import { EVENTS, type EventRow, listOf } from '../tables.ts';
import type { Connections, PostgresParts } from './pool.ts';
import { DATABASE_NOW, named } from './statements.ts';

const PLACED = `tx, seq, ${listOf(EVENTS)}`;
const BEHIND = '(tx, seq) > ($2::xid8, $3::bigint)';

/**
 * A page of events that are visible in the view $1, which is by default what is committed now, behind the place $2, $3; $4 the number. There
 * is at least one row; its columns of an event are NULL if there is none. `settled`: every transaction below it has ended.
 */
const page = (events: string): string => `
  with now as materialized (select coalesce($1::pg_snapshot, pg_current_snapshot()) as view)
  select l.id as log, l.floor_tx, l.floor_seq::text as floor_seq, now.view::text as view,
    pg_snapshot_xmin(now.view)::text as settled, pg_snapshot_xmax(pg_current_snapshot())::text as newest,
    e.tx, e.seq::text as seq, ${listOf(EVENTS, 'e.')}
  from event_log l cross join now left join lateral (
    select ${PLACED} from (${events}) as e
    where pg_visible_in_snapshot(tx, now.view) and ${BEHIND}
    order by tx, seq limit $4
  ) as e on true`;

/** $5 the project. A statement of its own, because a plan for any project or all of them cannot use the index by project. */
export const EVENTS_OF_PROJECT = page(
  `select ${PLACED} from events where project_id = $5::text and ${BEHIND}`,
);

const SQL = named({
  /** What is not visible in the view $5: exactly the transactions that were running or had not begun. */
  newEvents: page(`
    select ${PLACED} from events where tx >= pg_snapshot_xmax($5::pg_snapshot)
    union all
    select ${PLACED} from events where tx = any(array(select pg_snapshot_xip($5::pg_snapshot)))`),
  eventsAfter: page(`select ${PLACED} from events where ${BEHIND}`),
  eventsOfProject: EVENTS_OF_PROJECT,
  present: `
    select id as log, pg_current_snapshot()::text as view, pg_snapshot_xmin(pg_current_snapshot())::text as settled from event_log`,

  /**
   * Removes events older than $2 ms at $1, $3 at most, with their deliveries, and notes how far. The node's clock may be ahead of all others:
   * an event is due only if the database's clock agrees. Also removes deliveries of tests, which have no event.
   */
  removeEvents: `
    with bound as (select least($1::bigint, ${DATABASE_NOW}) - $2::bigint as at),
    old as materialized (
      select id from events
      where at <= (select at from bound)
        and not exists (select from webhook_deliveries d where d.event_id = events.id and d.state = 'pending')
      order by at limit $3 for update skip locked
    ),
    removed as (delete from events e using old where e.id = old.id returning e.tx, e.seq),
    undelivered as (delete from webhook_deliveries d using old where d.event_id = old.id),
    tests as (
      delete from webhook_deliveries where task_id is null and state <> 'pending' and created_at <= (select at from bound)
    ),
    noted as (
      update event_log l set floor_tx = h.tx, floor_seq = h.seq
      from (select tx, seq from removed order by tx desc, seq desc limit 1) as h
      where (l.floor_tx, l.floor_seq) < (h.tx, h.seq)
    )
    select count(*) as removed from removed`,

  /**
   * Makes the log another one, if $1 or if the database is not where it was: it was restored into another server, or to an earlier time.
   * The numbers of its transactions begin anew then, and those of its events may be ahead of them.
   */
  settleLog: `
    with here as (
      select concat_ws(' ', (select system_identifier from pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (select oid from pg_database where datname = current_database())) as place
    ),
    settled as (
      update event_log l set place = here.place, floor_tx = '0', floor_seq = 0,
        id = case when l.place = '' and not $1 then l.id else left(replace(gen_random_uuid()::text, '-', ''), 16) end
      from here where $1 or l.place <> here.place returning l.id
    )
    update events set tx = pg_current_xact_id()
    where tx >= pg_snapshot_xmax(pg_current_snapshot()) and exists (select from settled)`,
});

interface PageRow {
  readonly log: string;
  readonly floor_tx: string;
  readonly floor_seq: string;
  readonly view: string;
  readonly settled: string;
  readonly newest: string;
}
type PlacedRow = EventRow & { readonly tx: string; readonly seq: string };

/** To be called when the store is opened. A server that does not tell where it is cannot be told from another. */
export async function settleEventLog({ run }: Pick<Connections, 'run'>, anew = false): Promise<void> {
  try {
    await run(SQL.settleLog, [anew]);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const untold = cause instanceof DatabaseError && UNTOLD.includes(cause.code ?? '');
    if (!untold || anew) throw error;
  }
}

/** The functions that tell it are missing, or not allowed. */
const UNTOLD = ['42883', '42501'];

const placeOf = (tx: string, seq: string): Place => ({ tx: BigInt(tx), seq: BigInt(seq) });
const at = ({ tx, seq }: Place): readonly string[] => [String(tx), String(seq)];

export function postgresEvents({ connections, rows }: PostgresParts): EventStore {
  const { run, read } = connections;

  function toPage(found: readonly (PageRow & (PlacedRow | { readonly id: null }))[], limit: number) {
    const [first] = found;
    if (!first) throw new Error('the table event_log has no row');
    const placed = found.flatMap((row) => (row.id === null ? [] : [row]));
    const last = placed.at(-1);
    return pageOf(
      first.log,
      placed.flatMap((row) =>
        rows.all(EVENT, [row]).map((event) => ({ event, place: placeOf(row.tx, row.seq) })),
      ),
      {
        view: first.view,
        settled: placeOf(first.settled, '0'),
        last: last && placed.length === limit ? placeOf(last.tx, last.seq) : undefined,
      },
    );
  }

  return {
    async newEvents(since, limit, next) {
      if (since === undefined) {
        const [row] = await read<Pick<PageRow, 'log' | 'view' | 'settled'>>(SQL.present);
        if (!row) throw new Error('the table event_log has no row');
        return { events: [], view: row.view, end: cursorAt(row.log, placeOf(row.settled, '0')) };
      }
      const after = (next && readCursor(next.after)?.place) ?? START;
      return toPage(await read(SQL.newEvents, [next?.view ?? null, ...at(after), limit, since]), limit);
    },
    async eventsAfter(cursor, { limit, projectId, view }) {
      const from = readCursor(cursor);
      if (!from) return 'unknown';
      const values = [view ?? null, ...at(from.place), limit];
      const found = await (projectId === undefined
        ? read<PageRow & PlacedRow>(SQL.eventsAfter, values)
        : read<PageRow & PlacedRow>(SQL.eventsOfProject, [...values, projectId]));
      const [{ log, newest, floor_tx, floor_seq } = { log: '', newest: '0', floor_tx: '0', floor_seq: '0' }] =
        found;
      if (log !== from.log || from.place.tx > BigInt(newest)) return 'unknown';
      if (isBefore(from.place, placeOf(floor_tx, floor_seq))) return 'too_old';
      return toPage(found, limit);
    },
    async removeEvents(now, keepMs, limit) {
      const [row] = await run<{ removed: number }>(SQL.removeEvents, [now, keepMs, limit]);
      return row?.removed ?? 0;
    },
    async forgetCursors() {
      await settleEventLog(connections, true);
    },
  };
}
