import type { Kysely } from 'kysely';

/** How nodes share the limits of upstream accounts, and the accounts' problems. Times are from the database's clock. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('account_state')
    .addColumn('account_id', 'text', (c) => c.primaryKey())
    // Consecutive failures; 0 if it works.
    .addColumn('failures', 'integer', (c) => c.notNull())
    .addColumn('blocked_until', 'bigint', (c) => c.notNull())
    .addColumn('last_error', 'text')
    // Increases with each change, so that a node knows which changes it has seen.
    .addColumn('revision', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .execute();

  await db.schema
    .createTable('account_shares')
    .addColumn('account_id', 'text', (c) => c.notNull())
    .addColumn('node', 'text', (c) => c.notNull())
    // Maximum number of tasks in flight, and the share of the rates in millionths.
    .addColumn('places', 'integer', (c) => c.notNull())
    .addColumn('rate', 'integer', (c) => c.notNull())
    .addColumn('in_use', 'integer', (c) => c.notNull())
    .addColumn('waiting', 'integer', (c) => c.notNull())
    // Increases with each failed report of the node, which may still arrive.
    .addColumn('generation', 'integer', (c) => c.notNull())
    // Since when it holds places, or holds none.
    .addColumn('since', 'bigint', (c) => c.notNull())
    // For a dead node: when it was first seen to own no tasks upstream any more.
    .addColumn('vacant_at', 'bigint')
    .addPrimaryKeyConstraint('account_shares_pk', ['account_id', 'node'])
    .execute();
}
