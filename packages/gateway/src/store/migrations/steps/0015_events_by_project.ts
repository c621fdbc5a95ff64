import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/** A stream of a small project that resumes does not read the events of all others. */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  const place = sql.raw(dialect === 'sqlite' ? 'seq' : 'tx, seq');
  await sql`create index events_by_project on events (project_id, ${place})`.execute(db);
}
