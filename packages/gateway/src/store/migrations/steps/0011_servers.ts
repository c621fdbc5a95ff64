import type { Kysely } from 'kysely';

/** The server of an attempt whose account is a member of a fleet. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('attempts').addColumn('server', 'text').execute();
}
