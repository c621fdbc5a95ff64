import { join } from 'node:path';
import Database from 'better-sqlite3';
import { OnetakeError } from '../tasks/errors.ts';

/**
 * Makes this process the only gateway on a data folder, until it exits: two drivers on one embedded store would
 * submit tasks twice. The lock is SQLite's own, an operating-system lock on a file, which a `kill -9` releases.
 */
export function lockFolder(dir: string): { release(): void } {
  const db = new Database(join(dir, 'owner.lock'), { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    throw new OnetakeError(
      'data_dir_in_use',
      503,
      `Another gateway is running on the data folder ${dir}. Stop it, or give this one its own folder with ONETAKE_DATA_DIR.`,
      {},
      cause,
    );
  }
  return { release: () => db.close() };
}
