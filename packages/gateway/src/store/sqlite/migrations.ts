import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { explainedFolder } from '../folder/lock.ts';
import { migrationsFor } from '../migrations/index.ts';
import { applyAllMigrations, applyNextMigration, pendingMigrations } from '../migrations/run.ts';
import { makeFolder, openSqliteFile, sqlitePath } from './file.ts';
import { retryWhileLocked } from './locked.ts';
import { applyOrComplete } from './repair.ts';

/** Applies the pending migrations of a data folder's database, and resolves with their names. */
export async function migrateSqlite(dir: string): Promise<readonly string[]> {
  makeFolder(dir);
  try {
    return await withDatabase(await openSqliteFile(dir), migrateDatabase);
  } catch (error) {
    throw explainedFolder(dir, error);
  }
}

/**
 * As `migrateSqlite`, for an open database that nothing else uses yet. Each migration and its record, or all of those of a new database, are
 * one transaction, so that a process that is killed leaves all of it or nothing. If several processes start at once, each migration is applied by one of them.
 */
export async function migrateDatabase(db: Kysely<unknown>): Promise<readonly string[]> {
  const applied: string[] = [];
  // An up-to-date database is not locked.
  while ((await pendingMigrations(db, 'sqlite')).length > 0) {
    applied.push(...(await inTransaction(db, applySome)));
  }
  return applied;
}

/** The next migration; all of them if nothing is there yet: that costs one wait for the disk. */
async function applySome(db: Kysely<unknown>): Promise<readonly string[]> {
  const { rows } = await sql`select 1 from sqlite_schema limit 1`.execute(db);
  if (rows.length === 0) return applyAllMigrations(db, 'sqlite');
  const name = await applyNextMigration(db, 'sqlite', (step, up) => applyOrComplete(db, step, up));
  return name === undefined ? [] : [name];
}

/** Names of the pending migrations. Creates nothing. */
export async function pendingInSqlite(dir: string): Promise<readonly string[]> {
  if (!existsSync(sqlitePath(dir))) return Object.keys(migrationsFor('sqlite'));
  return withDatabase(new Database(sqlitePath(dir)), (db) => pendingMigrations(db, 'sqlite'));
}

/** Kysely's own transactions begin without the write lock, and may then be refused it half way. */
function inTransaction<T>(db: Kysely<unknown>, work: (inside: Kysely<unknown>) => Promise<T>): Promise<T> {
  return db.connection().execute(async (inside) => {
    await retryWhileLocked(() => sql`begin immediate`.execute(inside));
    try {
      const result = await work(inside);
      await sql`commit`.execute(inside);
      return result;
    } catch (error) {
      // Fails if SQLite has already rolled back by itself, as after a full disk.
      await sql`rollback`.execute(inside).catch(() => undefined);
      throw error;
    }
  });
}

async function withDatabase<T>(
  database: Database.Database,
  work: (db: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
