import type { Kysely } from 'kysely';

/** The row that readiness checks write: a store that can only be read is not ready. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('write_check')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('written', 'bigint', (c) => c.notNull())
    .execute();
}
