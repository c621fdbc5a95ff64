import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../../dialect.ts';

/**
 * The limits of upstream accounts: until when an attempt occupies its place, and, for nodes that share a database, the counters of places
 * and the state of rates. A single node keeps those in memory. `account_shares` is no longer needed once no node of an earlier version
 * runs; a later migration drops it.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  await db.schema.alterTable('attempts').addColumn('place_until', 'bigint').execute();
  await sql`create index attempts_lingering on attempts (place_until) where place_until is not null`.execute(
    db,
  );
  if (dialect === 'sqlite') return;

  await sql`
    create index attempts_in_flight on attempts (account_id) where outcome is null and upstream_result is null`.execute(
    db,
  );
  // `member` is for accounts that consist of several; it is '' for all others.
  await sql`
    create table account_places (
      account_id text not null,
      member text not null default '',
      in_flight integer not null,
      constraint account_places_pk primary key (account_id, member)
    ) with (fillfactor = 25)`.execute(db);
  // tat: when the next permit is due (the "theoretical arrival time" of the generic cell rate algorithm), milliseconds UTC by the
  // database's clock. contended_at: when a node last got fewer permits than it wanted.
  await sql`
    create table account_rates (
      account_id text not null,
      kind text not null,
      tat double precision not null,
      contended_at double precision not null,
      constraint account_rates_pk primary key (account_id, kind)
    ) with (fillfactor = 25)`.execute(db);
  await sql.raw(RECOUNT_PLACES).execute(db);
}

/**
 * Counts the places of accounts again, and makes missing counters. Returns the counters that were wrong. A function, because each of its
 * statements sees what was committed before it began: the count sees the writes of everyone who held the counters' locks before.
 */
const RECOUNT_PLACES = `
create function onetake_recount_places(accounts text[]) returns table (account text, was integer, now_is integer)
language plpgsql as $$
declare
  made text[];
begin
  with inserted as (
    insert into account_places (account_id, in_flight) select distinct a, 0 from unnest(accounts) as a order by a
    on conflict do nothing
    returning account_id
  )
  select coalesce(array_agg(i.account_id), '{}') into made from inserted i;
  perform from account_places p where p.account_id = any(accounts) and p.member = ''
  order by p.account_id for no key update;
  return query
    with occupied as (
      select a.account_id from attempts a
      where a.account_id = any(accounts) and a.outcome is null and a.upstream_result is null
      union all
      select a.account_id from attempts a where a.account_id = any(accounts) and a.place_until is not null
    ),
    wrong as materialized (
      select p.account_id, p.in_flight, count(h.account_id)::integer as n
      from account_places p left join occupied h on h.account_id = p.account_id
      where p.account_id = any(accounts) and p.member = ''
      group by p.account_id, p.in_flight
      having count(h.account_id) <> p.in_flight
    ),
    corrected as (
      update account_places p set in_flight = w.n from wrong w where p.account_id = w.account_id and p.member = ''
    )
    select w.account_id, w.in_flight, w.n from wrong w where w.account_id <> all(made);
end
$$`;
