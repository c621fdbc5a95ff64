import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import { applyNextMigration, pendingMigrations } from './migrate.ts';
import { unusableDatabase } from './postgresErrors.ts';

/** Keeps migrations apart from other holders of locks in the database; chosen at will. */
const LOCK = 0x0e7a_0001;
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Applies what a database lacks, and resolves with the names of it. All of it in one transaction, under a lock of that
 * transaction: several nodes may do this at once, through a pooler as well, and one that dies leaves nothing half done.
 */
export function migratePostgres(url: string): Promise<readonly string[]> {
  return withDatabase(url, async (db) => {
    // A database that is up to date is left alone: no lock, and no right to change tables needed.
    if ((await pendingMigrations(db, 'postgres')).length === 0) return [];
    return db.transaction().execute(async (inside) => {
      await sql`select pg_advisory_xact_lock(${LOCK})`.execute(inside);
      const applied: string[] = [];
      for (;;) {
        const name = await applyNextMigration(inside, 'postgres');
        if (name === undefined) return applied;
        applied.push(name);
      }
    });
  });
}

/** Names of the migrations that a database lacks. */
export const pendingInPostgres = (url: string): Promise<readonly string[]> =>
  withDatabase(url, (db) => pendingMigrations(db, 'postgres'));

async function withDatabase<T>(url: string, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
  // No limit on how long a statement takes: others may wait for a long migration, on a connection that keeps alive.
  const pool = new Pool({
    connectionString: url,
    max: 1,
    application_name: 'onetake',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  pool.on('error', () => undefined);
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    return await work(db);
  } catch (error) {
    throw unusableDatabase(url, error);
  } finally {
    await db.destroy();
  }
}
