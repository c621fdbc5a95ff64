import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../../dialect.ts';

const UNFINISHED = ['accepted', 'submitting', 'running', 'storing'];

/** What several nodes on one database need: an index of owners, and numbers for the names of nodes. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  // Lists the owners, and the tasks of one owner, from the index alone.
  await db.schema
    .createIndex('tasks_by_owner')
    .on('tasks')
    .columns(['owner', 'id'])
    .where(sql.ref('phase'), 'in', UNFINISHED)
    .execute();
  await db.schema
    .createIndex('tasks_submitting')
    .on('tasks')
    .column('id')
    .where(sql.ref('phase'), '=', 'submitting')
    .execute();
  if (dialect === 'sqlite') return;
  // Replaced by `tasks_by_owner`. SQLite still finds orphans with it: there, every other owner is dead.
  await db.schema.dropIndex('tasks_unfinished').execute();
  await sql`create sequence node_numbers as integer`.execute(db);
}
