import type { Kysely } from 'kysely';

/** The time of a submission's intent by the upstream's own clock, if it is known. Milliseconds UTC. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('attempts').addColumn('intended_there_at', 'bigint').execute();
}
