import { type Kysely, sql } from 'kysely';

/** What it takes to find stored files that were not compared with their digest for long, and those that are to be made whole. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .alterTable('media')
    .addColumn('checked_at', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  // New files have their turn after those that have waited for longer.
  await sql`
    create index media_by_check on media ((case when checked_at > created_at then checked_at else created_at end))
    where state = 'present'`.execute(db);
  await sql`create index media_to_mend on media (id) where state in ('pending', 'damaged')`.execute(db);
}
