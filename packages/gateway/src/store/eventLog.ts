import type { TaskEvent } from '../tasks/events.ts';
import type { EventPage } from './store.ts';

/** A place in the event log: that of an event, or one between two. `tx` is 0 in an embedded store, which has one order only. */
export interface Place {
  readonly tx: bigint;
  readonly seq: bigint;
}

/** The largest `tx` and `seq` that a database has: numbers of 64 bits, the one unsigned and the other signed. */
const LAST: Place = { tx: 2n ** 64n - 1n, seq: 2n ** 63n - 1n };

export const START: Place = { tx: 0n, seq: 0n };

export const isBefore = (a: Place, b: Place): boolean => (a.tx === b.tx ? a.seq < b.seq : a.tx < b.tx);

/** A cursor: everything up to its place in this log was read. Opaque, so that nobody computes with it. */
export const cursorAt = (log: string, { tx, seq }: Place): string =>
  Buffer.from(`${log} ${tx} ${seq}`).toString('base64url');

/** The log and the place of a cursor; undefined if it is none. */
export function readCursor(cursor: string): { readonly log: string; readonly place: Place } | undefined {
  const [, log = '', tx = '', seq = ''] =
    /^(\w{1,64}) (\d{1,20}) (\d{1,19})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (log === '') return undefined;
  const place = { tx: BigInt(tx), seq: BigInt(seq) };
  return place.tx > LAST.tx || place.seq > LAST.seq ? undefined : { log, place };
}

/**
 * A page of events that were read in order. `settled`: no other event can appear up to this place any more. Behind it, the order is not
 * final: an event there has the cursor of `settled`, so that whoever goes on from it reads it again, and misses none. `last`: the last
 * place that was read, if there is more behind it.
 */
export function pageOf(
  log: string,
  events: readonly { readonly place: Place; readonly event: TaskEvent }[],
  {
    view,
    settled,
    last,
  }: { readonly view: string; readonly settled: Place; readonly last: Place | undefined },
): EventPage {
  return {
    events: events.map(({ place, event }) => ({
      event,
      cursor: cursorAt(log, isBefore(place, settled) ? place : settled),
    })),
    view,
    end: cursorAt(log, settled),
    ...(last ? { next: { view, after: cursorAt(log, last) } } : {}),
  };
}
