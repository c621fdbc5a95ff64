import { type Kysely, sql } from 'kysely';

/** Times are integers, milliseconds UTC. Money is integer micro-units. JSON is text. One DDL for every dialect. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of table definitions
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('projects')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();

  await db.schema
    .createTable('keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('prefix', 'text', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull().unique())
    .addColumn('scopes', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('revoked_at', 'bigint')
    .execute();

  await db.schema
    .createTable('tasks')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('key_id', 'text', (c) => c.notNull())
    .addColumn('model', 'text', (c) => c.notNull())
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('phase', 'text', (c) => c.notNull())
    .addColumn('version', 'bigint', (c) => c.notNull())
    .addColumn('owner', 'text', (c) => c.notNull())
    .addColumn('attempt', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('completed_at', 'bigint')
    .addColumn('deadline_at', 'bigint', (c) => c.notNull())
    .addColumn('cancel_requested_at', 'bigint')
    .addColumn('not_before', 'bigint')
    .addColumn('price', 'text', (c) => c.notNull())
    .addColumn('result', 'text')
    .addColumn('error', 'text')
    .addColumn('deleted_at', 'bigint')
    .execute();
  await db.schema.createIndex('tasks_by_project').on('tasks').columns(['project_id', 'id']).execute();
  // Adoption reads only unfinished tasks. Finished ones, which are nearly all rows, must not slow it down.
  await db.schema
    .createIndex('tasks_unfinished')
    .on('tasks')
    .columns(['id', 'owner'])
    .where(sql.ref('phase'), 'in', ['accepted', 'submitting', 'running', 'storing'])
    .execute();

  await db.schema
    .createTable('attempts')
    .addColumn('task_id', 'text', (c) => c.notNull().references('tasks.id'))
    .addColumn('number', 'integer', (c) => c.notNull())
    .addColumn('account_id', 'text', (c) => c.notNull())
    .addColumn('idempotency_key', 'text', (c) => c.notNull().unique())
    .addColumn('upstream_model', 'text', (c) => c.notNull())
    .addColumn('intended_at', 'bigint', (c) => c.notNull())
    .addColumn('upstream_id', 'text')
    .addColumn('submitted_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('outcome', 'text')
    .addColumn('detail', 'text')
    .addColumn('upstream_result', 'text')
    .addPrimaryKeyConstraint('attempts_pk', ['task_id', 'number'])
    .execute();
  await db.schema
    .createIndex('attempts_by_upstream')
    .on('attempts')
    .columns(['account_id', 'upstream_id'])
    .execute();
  await db.schema
    .createIndex('attempts_expired')
    .on('attempts')
    .columns(['ended_at'])
    .where(sql.ref('outcome'), '=', 'expired')
    .execute();

  await db.schema
    .createTable('ledger')
    .addColumn('task_id', 'text', (c) => c.notNull().references('tasks.id'))
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('key_id', 'text', (c) => c.notNull())
    .addColumn('amount_micros', 'bigint', (c) => c.notNull())
    .addColumn('currency', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    // A hold is released or captured once, even if two drivers try at the same time.
    .addPrimaryKeyConstraint('ledger_pk', ['task_id', 'kind'])
    .execute();

  await db.schema
    .createTable('media')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('task_id', 'text')
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('storage_key', 'text', (c) => c.notNull())
    .addColumn('content_type', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('bytes', 'bigint')
    .addColumn('sha256', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .execute();
  await db.schema.createIndex('media_by_task').on('media').columns(['task_id']).execute();
  await db.schema.createIndex('media_by_expiry').on('media').columns(['expires_at']).execute();
  await db.schema
    .createIndex('media_pending')
    .on('media')
    .columns(['created_at'])
    .where(sql.ref('state'), '=', 'pending')
    .execute();

  await db.schema
    .createTable('idempotency')
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('body_hash', 'text', (c) => c.notNull())
    .addColumn('task_id', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('idempotency_pk', ['project_id', 'key'])
    .execute();
  await db.schema.createIndex('idempotency_by_expiry').on('idempotency').columns(['expires_at']).execute();

  await db.schema
    .createTable('secrets')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();

  await db.schema
    .createTable('audit')
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .execute();
}
