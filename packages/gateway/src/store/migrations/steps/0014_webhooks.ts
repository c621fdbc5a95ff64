import { type Kysely, sql } from 'kysely';

/**
 * Webhooks: where to announce events, the secrets that sign them, and a row for each announcement, written with its event. Nodes of the
 * previous version, which may still run, write none.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>): Promise<void> {
  await db.schema
    .createTable('webhook_endpoints')
    .addColumn('id', 'text', (c) => c.primaryKey().notNull())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('url', 'text', (c) => c.notNull())
    .addColumn('events', 'text')
    .addColumn('models', 'text')
    .addColumn('signature', 'text', (c) => c.notNull())
    .addColumn('description', 'text')
    .addColumn('disabled_reason', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();
  await sql`create index webhook_endpoints_by_project on webhook_endpoints (project_id)`.execute(db);
  // The secret of a project, which signs what is sent to the `webhook_url` of a task, has an empty endpoint_id.
  await db.schema
    .createTable('webhook_secrets')
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('endpoint_id', 'text', (c) => c.notNull())
    .addColumn('secret', 'text', (c) => c.notNull())
    .addColumn('former_secret', 'text')
    .addColumn('former_until', 'bigint')
    .addPrimaryKeyConstraint('webhook_secrets_pk', ['project_id', 'endpoint_id'])
    .execute();
  await db.schema
    .createTable('webhook_deliveries')
    .addColumn('id', 'text', (c) => c.primaryKey().notNull())
    .addColumn('event_id', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('project_id', 'text', (c) => c.notNull())
    .addColumn('task_id', 'text')
    .addColumn('endpoint_id', 'text')
    .addColumn('lane', 'text', (c) => c.notNull())
    .addColumn('url', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('tries', 'integer', (c) => c.notNull())
    .addColumn('next_at', 'bigint', (c) => c.notNull())
    .addColumn('leased_until', 'bigint')
    .addColumn('tried_at', 'bigint')
    .addColumn('status', 'integer')
    .addColumn('error', 'text')
    .addColumn('latency_ms', 'integer')
    .addColumn('answer', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();
  // What is due, lane by lane.
  await sql`create index webhook_deliveries_pending on webhook_deliveries (lane, next_at) where state = 'pending'`.execute(
    db,
  );
  await sql`create index webhook_deliveries_by_project on webhook_deliveries (project_id, id)`.execute(db);
  await sql`create index webhook_deliveries_by_event on webhook_deliveries (event_id)`.execute(db);
  await sql`create index webhook_deliveries_by_task on webhook_deliveries (task_id)`.execute(db);
  await sql`create index webhook_deliveries_by_endpoint on webhook_deliveries (endpoint_id)`.execute(db);
}
