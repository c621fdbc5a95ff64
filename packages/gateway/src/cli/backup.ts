import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { type Config, readConfig } from '../config/config.ts';
import { createFileStorage } from '../media/files/storage.ts';
import type { MediaStorage } from '../media/media.ts';
import { makePrivateFile } from '../store/folder/files.ts';
import { BACKUP, isMarked, markFolder, refuseMovedFolder } from '../store/folder/marks.ts';
import { readFolderRows } from '../store/folder/rows.ts';
import { makeFolder, sqlitePath } from '../store/sqlite/file.ts';
import { invalidRequest } from '../tasks/errors.ts';
import { type Options, readOptions, usageError } from './arguments.ts';
import { copyMedia } from './copyMedia.ts';

export const BACKUP_OPTIONS = { to: { type: 'string' } } as const satisfies Options;

/**
 * `onetake backup --to DIR`: copies the embedded store, and its media where they are files, beside a running gateway. The copy is
 * a data folder, of the moment at which the command began; repeated into the same folder, it copies new media alone.
 */
export async function backupCommand(args: readonly string[]): Promise<number> {
  const { to: target } = readOptions(args, BACKUP_OPTIONS);
  if (target === undefined) throw usageError('Say where to: onetake backup --to DIR.');
  const config = readConfig(process.env);
  const to = targetOf(target, config);
  const media = await backUp(config, to);
  process.stdout.write(
    media
      ? `Backed up ${config.dataDir} to ${to}: ${media.copied} media files copied, ${media.present} there already, ` +
          `${media.missing} removed meanwhile or missing. Before a gateway starts on it: onetake recover.\n`
      : `Backed up the database of ${config.dataDir} to ${to}; the media are in the bucket, which needs a backup of its own. ` +
          'Before a gateway starts on it: onetake recover.\n',
  );
  return 0;
}

function targetOf(to: string, { databaseUrl, dataDir }: Config): string {
  if (databaseUrl !== undefined) {
    throw invalidRequest(
      'This command copies an embedded data folder. Back up PostgreSQL with its own tools (pg_dump, pg_basebackup, snapshots): see docs/operations.md.',
    );
  }
  if (!existsSync(sqlitePath(dataDir))) {
    throw invalidRequest(`There is no onetake.db in ${dataDir}; set ONETAKE_DATA_DIR to the data folder.`);
  }
  if (resolve(to) === resolve(dataDir)) throw invalidRequest('A backup needs a folder of its own.');
  if (existsSync(sqlitePath(to)) && !isMarked(to, BACKUP)) {
    throw invalidRequest(`${to} is a data folder in use, not a backup; choose another one.`);
  }
  return to;
}

/** Undefined where the media are in a bucket. */
async function backUp({ dataDir, s3Bucket }: Config, to: string) {
  refuseMovedFolder(dataDir);
  try {
    makeFolder(to);
  } catch (error) {
    const why =
      error instanceof Error ? String((error.cause as NodeJS.ErrnoException | undefined)?.code) : '';
    throw invalidRequest(`The folder ${resolve(to)} cannot be made (${why}); choose another one with --to.`);
  }
  // Before anything of it: one that is interrupted is not to be taken for a data folder.
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
    // After the rows: what they tell of was there, unless it was at the end of its time.
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

/** One reading transaction, which a gateway that writes meanwhile neither waits for nor disturbs. */
function snapshot(path: string, to: string): void {
  // Left by a backup that was interrupted; SQLite writes to no file that is there.
  rmSync(to, { force: true });
  // SQLite takes an empty file as well; it is made here for its mode.
  makePrivateFile(to);
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    db.prepare('vacuum into ?').run(to);
  } finally {
    db.close();
  }
  sync(to);
}

/** The copy takes the place of the one before when it is whole. */
function publish(draft: string, to: string): void {
  const path = sqlitePath(to);
  // Of the copy before, where somebody looked into it and was killed; with another file they would damage it.
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(draft, path);
  sync(to);
}

/** What the rows do not know was removed since the last backup into this folder, perhaps because its owner wished it. */
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
