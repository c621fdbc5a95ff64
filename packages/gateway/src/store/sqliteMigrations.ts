import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { migrate, pendingMigrations } from './migrate.ts';
import { migrationsFor } from './migrations/index.ts';
import { makeFolder, openSqliteFile, sqlitePath } from './sqliteFile.ts';

/** Applies what the database of a data folder lacks, and resolves with the names of it. */
export function migrateSqlite(dir: string): Promise<readonly string[]> {
  makeFolder(dir);
  return withDatabase(openSqliteFile(dir), (db) => migrate(db, 'sqlite'));
}

/** Names of the migrations that it lacks; makes nothing. */
export async function pendingInSqlite(dir: string): Promise<readonly string[]> {
  if (!existsSync(sqlitePath(dir))) return Object.keys(migrationsFor('sqlite'));
  return withDatabase(new Database(sqlitePath(dir)), (db) => pendingMigrations(db, 'sqlite'));
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
