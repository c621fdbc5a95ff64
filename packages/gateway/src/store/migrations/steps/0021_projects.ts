import { type Kysely, sql } from 'kysely';
import type { Dialect } from '../dialect.ts';

/**
 * Projects and keys that can be changed, and an audit log that can be read: page by page, with what was changed. `family`: the first of the
 * keys that were made from each other by rotation. The rows of SQLite are numbered already, by their rowid.
 */
// biome-ignore lint/suspicious/noExplicitAny: a migration must not depend on today's table types
export async function up(db: Kysely<any>, dialect: Dialect): Promise<void> {
  const run = (text: string) => sql.raw(text).execute(db);
  await run('alter table projects add column archived_at bigint');
  for (const table of ['projects', 'keys']) {
    await run(`alter table ${table} add column limits text`);
    await run(`alter table ${table} add column default_metadata text`);
  }
  for (const column of ['models', 'family', 'replaced_by'])
    await run(`alter table keys add column ${column} text`);
  // Every key could read what its project has, until there was a scope for that.
  await run(`update keys set scopes = '["read","admin"]' where scopes = '["admin"]'`);
  await run('alter table audit add column detail text');
  if (dialect === 'sqlite') return;
  await run('alter table audit add column seq bigint generated always as identity');
  await run('create unique index audit_by_seq on audit (seq)');
  // Not worth a sync: after a crash of the database it is empty, and each limit of its minute is there once more.
  await run(
    'create unlogged table request_counts (subject text primary key, minute bigint not null, n bigint not null)',
  );
}
