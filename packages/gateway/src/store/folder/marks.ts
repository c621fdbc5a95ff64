import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { OnetakeError } from '../../tasks/errors.ts';

/*
 * Files in a data folder that say that its tasks must not be driven: they are driven elsewhere, or may have been submitted since.
 * They would be generated and billed twice.
 */

/** The rows of the folder were imported into PostgreSQL by `onetake import`. */
export const MOVED = 'moved-to-postgresql';
/** The folder was created by `onetake backup`, and `onetake recover` has not been run on it. */
export const BACKUP = 'backup-to-be-recovered';

type Mark = typeof MOVED | typeof BACKUP;

export const isMarked = (dir: string, mark: Mark): boolean => existsSync(join(dir, mark));

/** Durable when this returns. */
export function markFolder(dir: string, mark: Mark, words: string): void {
  const file = openSync(join(dir, mark), 'w', 0o600);
  try {
    writeSync(file, `${words}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(dir);
}

export function unmarkFolder(dir: string, mark: Mark): void {
  rmSync(join(dir, mark), { force: true });
  syncFolder(dir);
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Throws a 409 if the folder's rows were imported into PostgreSQL: nobody would read what is written here. */
export function refuseMovedFolder(dir: string): void {
  if (!isMarked(dir, MOVED)) return;
  const message =
    `The data folder ${dir} was moved into PostgreSQL by \`onetake import\`: set ONETAKE_DATABASE_URL, or use another folder. ` +
    `Its tasks must not be driven from two places; if that database was thrown away unused, delete ${join(dir, MOVED)}.`;
  throw new OnetakeError('data_dir_moved', 409, message);
}

/** Throws a 409 if the folder is a backup that must be recovered first. */
export function refuseBackupFolder(dir: string): void {
  if (!isMarked(dir, BACKUP)) return;
  const message =
    `The data folder ${dir} is a backup: run \`ONETAKE_DATA_DIR=${dir} onetake recover\` first. What waited when it was made may ` +
    'have been submitted, and billed, since; recovered, it is not submitted again.';
  throw new OnetakeError('data_dir_is_backup', 409, message);
}
