import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/**
 * Counters of what projects and keys use: a row for the unfinished tasks of a subject (`project:<id>`, `key:<id>`), and one for each UTC day
 * and month in which tasks with a price were accepted, by currency. A subject has rows only from when a limit of it was first applied, so that
 * nothing is counted where nothing is limited. `amount` is null until what was there before is counted.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run(`
    create table quota_counters (
      subject text not null, period text not null, currency text not null, project_id text not null, amount bigint,
      constraint quota_counters_pk primary key (subject, period, currency)
    )${dialect === 'postgres' ? ' with (fillfactor = 25)' : ''}`);
  if (dialect === 'postgres') await run(REFUSED);
}

/**
 * Which of several acceptances do not fit, if each that fits is accepted in turn. The first four arrays are parallel, one element for each use
 * of a counter by an acceptance, in the order of the acceptances: whose use it is, the counter's place in `amounts`, what it takes of it, and
 * the limit, which may be null. Returns the refused with the first counter that has too little left, and what that has by then.
 */
const REFUSED = `
create function onetake_refused(uses integer[], counters integer[], changes bigint[], limits bigint[], amounts bigint[])
returns table (n integer, counter integer, amount bigint) language plpgsql immutable as $$
declare
  count integer := coalesce(array_length(uses, 1), 0);
  first integer := 1;
  next integer;
  short integer;
begin
  while first <= count loop
    next := first;
    short := null;
    while next <= count and uses[next] = uses[first] loop
      if short is null and amounts[counters[next]] + changes[next] > limits[next] then short := counters[next]; end if;
      next := next + 1;
    end loop;
    if short is not null then
      n := uses[first]; counter := short; amount := amounts[short];
      return next;
    else
      for i in first .. next - 1 loop amounts[counters[i]] := amounts[counters[i]] + changes[i]; end loop;
    end if;
    first := next;
  end loop;
end
$$`;
