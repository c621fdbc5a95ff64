import { type Kysely, sql } from 'kysely';

/** How the provider of an attempt makes jobs and looks for them, if that may change. Nodes of the previous version do not tell. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('attempts').addColumn('find_version', 'text').execute();
  await sql`
    create index attempts_by_find_version on attempts (account_id, find_version, submitted_at)
    where find_version is not null`.execute(db);
}
