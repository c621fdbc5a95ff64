import { type Kysely, sql } from 'kysely';

/** Finds stored files whose digest has not been checked for long, and files to repair. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .alterTable('media')
    .addColumn('checked_at', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  // A new file comes after those that have waited longer.
  await sql`
    create index media_by_check on media ((case when checked_at > created_at then checked_at else created_at end))
    where state = 'present'`.execute(db);
  await sql`create index media_to_mend on media (id) where state in ('pending', 'damaged')`.execute(db);
}
