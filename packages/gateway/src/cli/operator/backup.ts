import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import { createFileStorage } from '../../media/files/storage.ts';
import type { MediaStorage } from '../../media/media.ts';
import { makePrivateFile } from '../../store/folder/files.ts';
import { BACKUP, isMarked, markFolder, refuseMovedFolder } from '../../store/folder/marks.ts';
import { readFolderRows } from '../../store/folder/rows.ts';
import { makeFolder, sqlitePath } from '../../store/sqlite/file.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { usageError } from '../usage.ts';
import { copyMedia } from './copyMedia.ts';

/**
 * `onetake backup --to DIR`: copies the embedded store, and its media if they are files, while a gateway may be running. The copy
 * is a data folder in the state at the start of the command. If the target folder has an earlier backup, only new media is copied.
 */
export async function backupCommand({ to: target }: { readonly to?: string | undefined }): Promise<void> {
  if (target === undefined) throw usageError('Say where to: onetake backup --to DIR.');
  const config = readLocalConfig(process.env);
  const to = targetOf(target, config);
  const media = await backUp(config, to);
  process.stdout.write(
    media
      ? `Backed up ${config.dataDir} to ${to}: ${media.copied} media files copied, ${media.present} already present, ` +
          `${media.missing} missing or removed in the meantime. Run onetake recover before a gateway starts on it.\n`
      : `Backed up the database of ${config.dataDir} to ${to}; the media is in the bucket, which needs its own backup. ` +
          'Run onetake recover before a gateway starts on it.\n',
  );
}

function targetOf(to: string, { databaseUrl, dataDir }: LocalConfig): string {
  if (databaseUrl !== undefined) {
    throw invalidRequest(
      'This command copies an embedded data folder. Back up PostgreSQL with its own tools (pg_dump, pg_basebackup, snapshots): see docs/operations.md.',
    );
  }
  if (!existsSync(sqlitePath(dataDir))) {
    throw invalidRequest(`There is no onetake.db in ${dataDir}; set ONETAKE_DATA_DIR to the data folder.`);
  }
  if (resolve(to) === resolve(dataDir)) throw invalidRequest('A backup needs its own folder.');
  if (existsSync(sqlitePath(to)) && !isMarked(to, BACKUP)) {
    throw invalidRequest(`${to} is a data folder in use, not a backup; choose another one.`);
  }
  return to;
}

/** Returns undefined if the media is in a bucket. */
async function backUp({ dataDir, s3Bucket }: LocalConfig, to: string) {
  refuseMovedFolder(dataDir);
  try {
    makeFolder(to);
  } catch (error) {
    const why =
      error instanceof Error ? String((error.cause as NodeJS.ErrnoException | undefined)?.code) : '';
    throw invalidRequest(
      `The folder ${resolve(to)} cannot be created (${why}); choose another one with --to.`,
    );
  }
  // Marked first, so that an interrupted backup is not mistaken for a data folder.
  markFolder(to, BACKUP, `Made by onetake backup on ${new Date().toISOString()}.`);
  const draft = join(to, 'onetake.db.new');
  snapshot(sqlitePath(dataDir), draft);
  const rows = readFolderRows(draft);
  try {
    if (s3Bucket !== undefined) {
      publish(draft, to);
      return undefined;
    }
    const storage = createFileStorage({ root: join(to, 'media') });
    // Copied after the rows, so every file they refer to exists, unless it has expired in the meantime.
    const copied = await copyMedia(
      rows.mediaKeys(),
      createFileStorage({ root: join(dataDir, 'media') }),
      storage,
    );
    publish(draft, to);
    await removeOthers(
      storage,
      (key) => rows.get('select 1 from media where storage_key = ?', key) !== undefined,
    );
    return { ...copied, missing: copied.missing.length };
  } finally {
    rows.close();
  }
}

/** Copies the database in a single read transaction, which does not block a gateway that is writing. */
function snapshot(path: string, to: string): void {
  // An interrupted backup may have left one, and SQLite refuses to write into an existing database.
  rmSync(to, { force: true });
  // SQLite accepts an empty file, which is created here to set its permissions.
  makePrivateFile(to);
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.prepare('vacuum into ?').run(to);
  } finally {
    db.close();
  }
  sync(to);
}

/** Replaces the previous copy by the complete new one. */
function publish(draft: string, to: string): void {
  const path = sqlitePath(to);
  // A process that was killed while reading the previous copy may have left these. They would corrupt the new copy.
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(draft, path);
  sync(to);
}

/** Removes files without a row. They were deleted since the previous backup, possibly at the request of their owner. */
async function removeOthers(storage: MediaStorage, isKnown: (key: string) => boolean): Promise<void> {
  for await (const { key } of storage.list()) if (!isKnown(key)) await storage.remove(key);
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
