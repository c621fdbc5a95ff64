import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { unusableFolder } from './folderLock.ts';
import { retryWhileLocked } from './sqliteLocked.ts';

/** Where the embedded database of a data folder is. */
export const sqlitePath = (dir: string): string => join(dir, 'onetake.db');

/** Makes the data folder where it is missing. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw unusableFolder(dir, code, cause);
  }
}

/** Opens the database of a data folder; made where it is missing. */
export async function openSqliteFile(dir: string): Promise<Database.Database> {
  const db = new Database(sqlitePath(dir), { timeout: 0 });
  try {
    await retryWhileLocked(() => db.pragma('journal_mode = WAL'));
  } catch (error) {
    db.close();
    throw error;
  }
  // FULL syncs the log at every commit: what was answered with 200 survives power loss, not only `kill -9`.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  return db;
}
