import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../../dialect.ts';

/**
 * An index of upstream ids of any length. A key of a B-tree of PostgreSQL has at most 2,704 bytes, and a longer id could not be stored, although
 * its job was paid. The statements of the previous version use the new index too.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  // Keys of SQLite have no limit of their own.
  if (dialect === 'sqlite') return;
  await sql`create index attempts_by_upstream_id on attempts using hash (upstream_id)`.execute(db);
  await db.schema.dropIndex('attempts_by_upstream').execute();
}
