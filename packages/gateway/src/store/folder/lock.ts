import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { OnetakeError } from '../../tasks/errors.ts';
import { makePrivateFile, tightenFolder } from './files.ts';

/**
 * Makes this process the only gateway on a data folder, until it exits: two drivers on one embedded store would
 * submit tasks twice. The lock is SQLite's own, an operating-system lock on a file, which a `kill -9` releases.
 */
export function lockFolder(dir: string): { release(): void } {
  let db: Database.Database | undefined;
  try {
    const path = join(dir, 'owner.lock');
    makePrivateFile(path);
    db = new Database(path, { timeout: 0 });
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    tightenFolder(dir);
    const held = db;
    writeHolder(dir);
    return { release: () => held.close() };
  } catch (cause) {
    db?.close();
    throw refusal(dir, cause);
  }
}

/**
 * The process that holds the lock of a data folder, for the operator: ` (process 1234)`, or empty if it is unknown. Undefined if
 * none does, or the lock cannot be read. Changes nothing.
 */
export function holderOf(dir: string): string | undefined {
  const path = join(dir, 'owner.lock');
  if (!existsSync(path)) return undefined;
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { timeout: 0, readonly: true });
    // Any read takes the lock of readers for a moment.
    db.pragma('schema_version');
    return undefined;
  } catch (error) {
    const isHeld = error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY';
    return isHeld ? readHolder(dir) : undefined;
  } finally {
    db?.close();
  }
}

const holderPath = (dir: string): string => join(dir, 'owner.pid');

/** Records who holds the lock, for the message of a process that is refused. Best effort: a full disk must not stop a start. */
function writeHolder(dir: string): void {
  try {
    writeFileSync(holderPath(dir), `${process.pid} ${hostname()}\n`, { mode: 0o600 });
  } catch {
    rmSync(holderPath(dir), { force: true });
  }
}

/** ` (process 1234)`, with the host if that is another one, such as a container; empty if it is unknown. */
function readHolder(dir: string): string {
  try {
    const [pid, host] = readFileSync(holderPath(dir), 'utf8').trim().split(' ');
    if (!pid || !host) return '';
    return host === hostname() ? ` (process ${pid})` : ` (process ${pid} on ${host})`;
  } catch {
    return '';
  }
}

function refusal(dir: string, cause: unknown): OnetakeError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  if (code === 'SQLITE_BUSY') {
    const message =
      `Another gateway${readHolder(dir)} is running on the data folder ${resolve(dir)}. Stop it, or give this one its own folder with ` +
      'ONETAKE_DATA_DIR: every node needs one, even if they share a database.';
    return new OnetakeError('data_dir_in_use', 503, message, {}, cause);
  }
  return unusableFolder(dir, code, cause);
}

/** What error codes mean, in words for the operator. */
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'a file is in its place',
  ENOTDIR: 'a file is in its place, or above it',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  SQLITE_READONLY: 'this user may not write there',
  SQLITE_CANTOPEN: 'this user may not write there, or a folder is where a file should be',
  ENOENT: 'no folder can be made there',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  SQLITE_FULL: 'the disk is full',
  SQLITE_IOERR: 'the disk is full, or damaged',
  ENAMETOOLONG: 'the name is too long',
};

/** The error for a data folder that cannot be created or written. */
export function unusableFolder(dir: string, code: string, cause: unknown): OnetakeError {
  const reason = reasonOf(code);
  const message =
    `The data folder ${resolve(dir)} cannot be used (${code}${reason === undefined ? '' : `: ${reason}`}); ` +
    'set ONETAKE_DATA_DIR to a folder on a disk with room, which this user may write to.';
  return new OnetakeError('data_dir_unusable', 503, message, {}, cause);
}

/**
 * Explains an error of opening a data folder, with the folder and what to do about it, if the disk is the cause. Other errors are
 * returned as they are.
 */
export function explainedFolder(dir: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return reasonOf(code) === undefined ? error : unusableFolder(dir, code, error);
}

/** SQLite's codes may end with the operation that failed: `SQLITE_IOERR_SHMSIZE`. */
const reasonOf = (code: string): string | undefined =>
  REASONS[code] ?? REASONS[code.split('_').slice(0, 2).join('_')];
