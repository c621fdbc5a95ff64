import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/** When a pending delivery may be taken: when it is due, or when the lease of the node that is sending it ends. */
const DUE = 'max(next_at, coalesce(leased_until, 0))';

/** What is pending of a lane as a row of `webhook_lanes`, or none. */
const settle = (lane: string): string => `
  delete from webhook_lanes
  where lane = ${lane} and not exists (select 1 from webhook_deliveries where lane = ${lane} and state = 'pending');
  insert into webhook_lanes (lane, project_id, due_at)
  select lane, project_id, ${DUE} from webhook_deliveries where lane = ${lane} and state = 'pending' order by ${DUE} limit 1
  on conflict (lane) do update set due_at = excluded.due_at where due_at <> excluded.due_at;`;

/**
 * Lists of deliveries by state or endpoint read what they show, and in PostgreSQL taking a few that are due reads these. In SQLite, each lane with pending deliveries has a row that says when the first
 * may be taken, so that taking them costs nothing for lanes of which none is due. Triggers keep it, whatever changes deliveries. (In
 * PostgreSQL, transitions of one project would wait for each other at such a row.)
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run('create index webhook_deliveries_by_state on webhook_deliveries (project_id, state, id)');
  await run(
    'create index webhook_deliveries_by_endpoint_state on webhook_deliveries (endpoint_id, state, id)',
  );
  if (dialect === 'postgres') {
    await run(
      `create index webhook_deliveries_by_due on webhook_deliveries (next_at) where state = 'pending'`,
    );
    return;
  }
  await run(
    `create index webhook_deliveries_due on webhook_deliveries (lane, ${DUE}) where state = 'pending'`,
  );
  await run(
    'create table webhook_lanes (lane text not null primary key, project_id text not null, due_at bigint not null) without rowid',
  );
  await run('create index webhook_lanes_due on webhook_lanes (due_at, lane, project_id)');
  await run(`
    insert into webhook_lanes (lane, project_id, due_at)
    select lane, min(project_id), min(${DUE}) from webhook_deliveries where state = 'pending' group by lane`);
  await run(`
    create trigger webhook_delivery_added after insert on webhook_deliveries when new.state = 'pending' begin
      insert into webhook_lanes (lane, project_id, due_at)
      values (new.lane, new.project_id, max(new.next_at, coalesce(new.leased_until, 0)))
      on conflict (lane) do update set due_at = excluded.due_at where due_at > excluded.due_at;
    end`);
  await run(`
    create trigger webhook_delivery_changed after update of state, next_at, leased_until on webhook_deliveries
    when old.state = 'pending' or new.state = 'pending' begin ${settle('new.lane')} end`);
  await run(`
    create trigger webhook_delivery_removed after delete on webhook_deliveries
    when old.state = 'pending' begin ${settle('old.lane')} end`);
}
