import { type Kysely, sql } from 'kysely';

/**
 * `ledger_entries` says of every row the day of its task's hold, as summaries do: a charge counts in the period of its hold, and every sum by day
 * is the same before and after rows become a part of a summary.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run('drop view ledger_entries');
  await run(`
    create view ledger_entries as
    select l.project_id, l.key_id, (select t.model from tasks t where t.id = l.task_id) as model,
      coalesce((select a.account_id from tasks t join attempts a on a.task_id = t.id and a.number = t.attempt where t.id = l.task_id), '')
        as account_id,
      l.currency, l.kind,
      coalesce((select t.created_at from tasks t where t.id = l.task_id), l.created_at) / 86400000 * 86400000 as day,
      l.amount_micros, cast(1 as bigint) as entries
    from ledger l
    union all
    select project_id, key_id, model, account_id, currency, kind, day, amount_micros, entries from ledger_summaries`);
}
