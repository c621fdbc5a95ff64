import { mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { FOLDER_MODE, makePrivateFile } from '../folder/files.ts';
import { unusableFolder } from '../folder/lock.ts';
import { retryWhileLocked } from './locked.ts';

/** What the write-ahead log keeps of the disk while it is not needed: more than it grows to between two checkpoints. */
const LOG_BYTES = 16 * 2 ** 20;

/** The path of the database in a data folder. */
export const sqlitePath = (dir: string): string => join(dir, 'onetake.db');

/** Creates the data folder if it is missing. Throws an error that says why it cannot be created. */
export function makeFolder(dir: string): void {
  try {
    makeFolders(dir);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw unusableFolder(dir, code, cause);
  }
}

/** One by one: with `recursive`, Node loops for ever if an existing folder accepts no subfolder, such as /proc. */
function makeFolders(dir: string): void {
  const path = resolve(dir);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (path !== dirname(path)) makeFolders(dirname(path));
  try {
    mkdirSync(path, FOLDER_MODE);
  } catch (error) {
    // Another process may have created it meanwhile.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Opens the database of a data folder. Creates it if it is missing. */
export async function openSqliteFile(dir: string): Promise<Database.Database> {
  // SQLite gives its write-ahead log the file mode of the database.
  makePrivateFile(sqlitePath(dir));
  const db = new Database(sqlitePath(dir), { timeout: 0 });
  try {
    await retryWhileLocked(() => db.pragma('journal_mode = WAL'));
  } catch (error) {
    db.close();
    throw error;
  }
  // FULL syncs the log at every commit: what was answered with 200 survives power loss, not only `kill -9`.
  db.pragma('synchronous = FULL');
  // The log keeps its size after it was written into the database, and grows while somebody reads for long.
  db.pragma(`journal_size_limit = ${LOG_BYTES}`);
  db.pragma('foreign_keys = ON');
  return db;
}
