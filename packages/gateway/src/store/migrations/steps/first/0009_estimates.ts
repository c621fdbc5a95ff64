import { type Kysely, sql } from 'kysely';

/** What was learnt about how long jobs take, a row for each kind of job. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('estimates')
    .addColumn('kind', 'text', (c) => c.primaryKey().notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .addColumn('version', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .execute();
  await sql`create index estimates_by_update on estimates (updated_at)`.execute(db);
}
