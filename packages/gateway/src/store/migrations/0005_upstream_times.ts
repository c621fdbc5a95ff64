import type { Kysely } from 'kysely';

/** When a submission was intended by the upstream's own clock, where that was known: milliseconds UTC. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('attempts').addColumn('intended_there_at', 'bigint').execute();
}
