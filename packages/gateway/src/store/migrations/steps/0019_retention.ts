import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/**
 * What remains of tasks that are removed: their money, as sums by day. Nothing here locks or reads a large table: the sweep finds what is old
 * in the order of the ids, which the primary keys have.
 *
 * `ledger_entries` is the whole ledger: the rows that are there, and the sums of those that are not. Every sum over it is the same before and
 * after rows become a part of a summary. `day`: midnight UTC in milliseconds. `entries`: how many ledger rows a row of it stands for.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run(`
    create table ledger_summaries (
      project_id text not null, key_id text not null, model text not null, account_id text not null, currency text not null,
      kind text not null, day bigint not null, amount_micros bigint not null, entries bigint not null,
      constraint ledger_summaries_pk primary key (project_id, day, key_id, model, account_id, currency, kind)
    )`);
  // Subqueries, which cost nothing where their columns are not asked for. Both databases would make a join in any case.
  await run(`
    create view ledger_entries as
    select l.project_id, l.key_id, (select t.model from tasks t where t.id = l.task_id) as model,
      coalesce((select a.account_id from tasks t join attempts a on a.task_id = t.id and a.number = t.attempt where t.id = l.task_id), '')
        as account_id,
      l.currency, l.kind, l.created_at / 86400000 * 86400000 as day, l.amount_micros, cast(1 as bigint) as entries
    from ledger l
    union all
    select project_id, key_id, model, account_id, currency, kind, day, amount_micros, entries from ledger_summaries`);
  if (dialect === 'sqlite') {
    await run(`
      create trigger task_metadata_ended after delete on tasks when old.deleted_at is null and json_valid(old.request)
      begin
        delete from task_metadata where project_id = old.project_id and task_id = old.id
          and (name, value) in (select key, value from json_each(old.request, '$.metadata'));
      end`);
    return;
  }
  // Pair by pair: a join with what the function returns, of which the planner expects a thousand rows, reads all metadata.
  await run(`
    create or replace function onetake_remove_metadata() returns trigger language plpgsql as $$
    declare
      pair record;
    begin
      for pair in select m.name, m.value from onetake_metadata_of(old.request) m loop
        delete from task_metadata d
        where d.project_id = old.project_id and d.name = pair.name and d.value = pair.value and d.task_id = old.id;
      end loop;
      return null;
    end $$`);
  await run(`
    create trigger task_metadata_ended after delete on tasks
    for each row when (old.deleted_at is null) execute function onetake_remove_metadata()`);
}
