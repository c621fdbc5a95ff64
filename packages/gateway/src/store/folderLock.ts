import { join } from 'node:path';
import Database from 'better-sqlite3';
import { OnetakeError } from '../tasks/errors.ts';

/**
 * Makes this process the only gateway on a data folder, until it exits: two drivers on one embedded store would
 * submit tasks twice. The lock is SQLite's own, an operating-system lock on a file, which a `kill -9` releases.
 */
export function lockFolder(dir: string): { release(): void } {
  let db: Database.Database | undefined;
  try {
    db = new Database(join(dir, 'owner.lock'), { timeout: 0 });
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    const held = db;
    return { release: () => held.close() };
  } catch (cause) {
    db?.close();
    throw refusal(dir, cause);
  }
}

function refusal(dir: string, cause: unknown): OnetakeError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  if (code === 'SQLITE_BUSY') {
    const message = `Another gateway is running on the data folder ${dir}. Stop it, or give this one its own folder with ONETAKE_DATA_DIR.`;
    return new OnetakeError('data_dir_in_use', 503, message, {}, cause);
  }
  return unusableFolder(dir, code, cause);
}

/** The data folder cannot be made or written: not the right one, or not this user's. */
export function unusableFolder(dir: string, why: string, cause: unknown): OnetakeError {
  const message = `The data folder ${dir} cannot be used (${why}); set ONETAKE_DATA_DIR to a folder that this user may write to.`;
  return new OnetakeError('data_dir_unusable', 503, message, {}, cause);
}
