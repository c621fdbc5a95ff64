import type { Kysely } from 'kysely';

/** How nodes share the limits of upstream accounts, and what they know of an account's trouble. Times are the database's own clock. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('account_state')
    .addColumn('account_id', 'text', (c) => c.primaryKey())
    // Failures in a row; 0: it works.
    .addColumn('failures', 'integer', (c) => c.notNull())
    .addColumn('blocked_until', 'bigint', (c) => c.notNull())
    .addColumn('last_error', 'text')
    // Counts the changes: a node knows by it what it has seen already.
    .addColumn('revision', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .execute();

  await db.schema
    .createTable('account_shares')
    .addColumn('account_id', 'text', (c) => c.notNull())
    .addColumn('node', 'text', (c) => c.notNull())
    // Tasks that it may have in flight, and its part of the rates, in millionths.
    .addColumn('places', 'integer', (c) => c.notNull())
    .addColumn('rate', 'integer', (c) => c.notNull())
    .addColumn('in_use', 'integer', (c) => c.notNull())
    .addColumn('waiting', 'integer', (c) => c.notNull())
    // Counts the node's reports that may still be on their way although it gave them up.
    .addColumn('generation', 'integer', (c) => c.notNull())
    // Since when it holds places, or holds none.
    .addColumn('since', 'bigint', (c) => c.notNull())
    // When its tasks were first seen to be in other hands, of a node that does not live any more.
    .addColumn('vacant_at', 'bigint')
    .addPrimaryKeyConstraint('account_shares_pk', ['account_id', 'node'])
    .execute();
}
