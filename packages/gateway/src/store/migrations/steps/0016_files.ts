import { type Kysely, sql } from 'kysely';

/** Files that callers have uploaded to use as inputs. Nodes of the previous version expire and verify them like any media. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('media').addColumn('name', 'text').execute();
  await db.schema.alterTable('media').addColumn('purpose', 'text').execute();
  await sql`create index media_files on media (project_id, id) where kind = 'file'`.execute(db);
}
