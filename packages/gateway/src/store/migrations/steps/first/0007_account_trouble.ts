import type { Kysely } from 'kysely';

/** Why an account is blocked, as one of our reasons, and since when it has failed. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema.alterTable('account_state').addColumn('reason', 'text').execute();
  await db.schema.alterTable('account_state').addColumn('failed_since', 'bigint').execute();
}
