import { type Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { OnetakeError } from '../tasks/errors.ts';
import type { Dialect } from './dialect.ts';
import { migrationsFor } from './migrations/index.ts';

/** Kysely's own, in which it notes what it has done. */
const TABLE = 'kysely_migration';

/** Names of the migrations that a database lacks, in order. Throws where it is not one for this version. */
export async function pendingMigrations<Tables>(
  db: Kysely<Tables>,
  dialect: Dialect,
): Promise<readonly string[]> {
  const applied = new Set(await appliedMigrations(db));
  const ours = Object.keys(migrationsFor(dialect));
  const pending = ours.filter((name) => !applied.has(name));
  const unknown = [...applied].filter((name) => !ours.includes(name));
  // A newer version has been here, and its migrations only add to what this one reads: both run side by side.
  if (pending.length > 0 && unknown.length > 0) {
    throw new OnetakeError(
      'database_too_new',
      503,
      `The database has migrations that this version does not know (${unknown.join(', ')}) and lacks others that it needs ` +
        `(${pending.join(', ')}). Run the version of Onetake that made it, or a newer one.`,
    );
  }
  return pending;
}

/** Applies what is missing and tells it. In PostgreSQL `db` must be a transaction in which nobody else migrates. */
export async function migrate<Tables>(db: Kysely<Tables>, dialect: Dialect): Promise<readonly string[]> {
  const pending = await pendingMigrations(db, dialect);
  if (pending.length === 0) return [];
  const { error, results = [] } = await new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...migrationsFor(dialect) }) },
  }).migrateToLatest();
  if (error) throw error;
  return results.map(({ migrationName }) => migrationName);
}

async function appliedMigrations<Tables>(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === TABLE)) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(TABLE)} order by name`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}
