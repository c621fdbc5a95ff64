import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { makePrivateFile, tightenFolder, watchFiles } from '../../../src/store/folder/files.ts';
import { explainedFolder, lockFolder, unusableFolder } from '../../../src/store/folder/lock.ts';
import {
  BACKUP,
  isMarked,
  MOVED,
  markFolder,
  refuseBackupFolder,
  refuseMovedFolder,
  unmarkFolder,
} from '../../../src/store/folder/marks.ts';
import { readFolderRows } from '../../../src/store/folder/rows.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const thrownBy = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('a private file', () => {
  it('is created for its owner alone, and an existing one is not touched', async () => {
    const dir = await tempFolder();
    const path = join(dir, 'new');
    makePrivateFile(path);
    expect([await modeOf(path), await readFile(path, 'utf8')]).toEqual(['600', '']);
    await writeFile(path, 'kept');
    await chmod(path, 0o644);
    makePrivateFile(path);
    expect([await modeOf(path), await readFile(path, 'utf8')]).toEqual(['644', 'kept']);
  });
});

describe('the permissions of a data folder', () => {
  it('are taken from others, for its databases and itself, and other files keep theirs', async () => {
    const dir = await tempFolder();
    for (const name of ['onetake.db', 'onetake.db-wal', 'owner.lock', 'my.onetake.db', 'notes']) {
      await writeFile(join(dir, name), '');
      await chmod(join(dir, name), 0o644);
    }
    await chmod(dir, 0o755);
    tightenFolder(dir);
    const modes = ['onetake.db', 'onetake.db-wal', 'owner.lock', 'my.onetake.db', 'notes', '.'].map((name) =>
      modeOf(join(dir, name)),
    );
    expect(await Promise.all(modes)).toEqual(['600', '600', '600', '644', '644', '700']);
  });

  it('stay as they are if nobody else has any, or if nothing in it is ours', async () => {
    const dir = await tempFolder();
    await writeFile(join(dir, 'notes'), '');
    await chmod(dir, 0o755);
    tightenFolder(dir);
    expect(await modeOf(dir)).toBe('755');
    await writeFile(join(dir, 'onetake.db'), '');
    await chmod(join(dir, 'onetake.db'), 0o400);
    await chmod(dir, 0o500);
    tightenFolder(dir);
    expect([await modeOf(join(dir, 'onetake.db')), await modeOf(dir)]).toEqual(['400', '500']);
    await chmod(dir, 0o700);
  });

  it('stay as they are in a folder of another user', async () => {
    const dir = await tempFolder();
    await writeFile(join(dir, 'onetake.db'), '');
    await chmod(join(dir, 'onetake.db'), 0o644);
    await chmod(dir, 0o755);
    const getuid = vi.spyOn(process, 'getuid' as 'cwd').mockReturnValue(4711 as never);
    onTestFinished(() => void getuid.mockRestore());
    tightenFolder(dir);
    expect([await modeOf(join(dir, 'onetake.db')), await modeOf(dir)]).toEqual(['644', '755']);
  });
});

describe('the files of a store', () => {
  it('are watched: one that is gone or replaced is reported until it is back', async () => {
    const dir = await tempFolder();
    const [db, log, missing] = [join(dir, 'db'), join(dir, 'log'), join(dir, 'missing')];
    await writeFile(db, '');
    await writeFile(log, '');
    const requireFiles = watchFiles([db, log, missing]);
    expect(requireFiles()).toBeUndefined();
    // What was not there is not missed.
    await writeFile(missing, '');
    expect(requireFiles()).toBeUndefined();
    await rename(log, `${log}.before`);
    const gone = {
      code: 'store_unavailable',
      details: { retryAfterSeconds: 60 },
      cause: { message: expect.stringContaining(`${log} is not the file`) },
    };
    expect(thrownBy(requireFiles)).toMatchObject(gone);
    await writeFile(log, '');
    expect(thrownBy(requireFiles)).toMatchObject(gone);
    await rename(`${log}.before`, log);
    expect(requireFiles()).toBeUndefined();
    await rm(dir, { recursive: true });
    expect(thrownBy(requireFiles)).toMatchObject({ code: 'store_unavailable' });
    await mkdir(dir);
  });
});

describe('the lock of a data folder', () => {
  it('is held by one at a time, and can be taken again once it is released', async () => {
    const dir = await tempFolder();
    const lock = lockFolder(dir);
    expect(await modeOf(join(dir, 'owner.lock'))).toBe('600');
    for (let time = 0; time < 2; time++) {
      expect(thrownBy(() => lockFolder(dir))).toMatchObject({
        code: 'data_dir_in_use',
        status: 503,
        message: expect.stringContaining(dir),
        cause: { code: 'SQLITE_BUSY' },
      });
    }
    lock.release();
    lockFolder(dir).release();
  });

  it('tightens the folder', async () => {
    const dir = await tempFolder();
    await chmod(dir, 0o755);
    lockFolder(dir).release();
    expect(await modeOf(dir)).toBe('700');
  });

  it('explains what is in its way', async () => {
    const dir = join(await tempFolder(), 'file');
    await writeFile(dir, '');
    expect(thrownBy(() => lockFolder(dir))).toMatchObject({
      code: 'data_dir_unusable',
      message: expect.stringMatching(
        /\(ENOTDIR: a file is in its place, or above it\); set ONETAKE_DATA_DIR/,
      ),
    });
  });
});

describe('an error of a data folder', () => {
  const withCode = (code: string) => Object.assign(new Error('words'), { code });

  it.each([
    ['EACCES', /EACCES: this user may not write there/],
    ['ENOSPC', /ENOSPC: the disk is full/],
    ['SQLITE_FULL', /SQLITE_FULL: the disk is full/],
    ['SQLITE_IOERR_SHMSIZE', /SQLITE_IOERR_SHMSIZE: the disk is full, or damaged/],
    ['SQLITE_READONLY_DIRECTORY', /SQLITE_READONLY_DIRECTORY: this user may not write there/],
  ])('with the code %s is explained', (code, message) => {
    const error = withCode(code);
    expect(explainedFolder('/data', error)).toMatchObject({
      code: 'data_dir_unusable',
      status: 503,
      message: expect.stringMatching(message),
      cause: error,
    });
  });

  it('stays as it is if its code says nothing about the folder', () => {
    for (const error of [
      withCode('SQLITE_CORRUPT'),
      withCode('ENOENT_X'),
      new Error('EACCES'),
      'EACCES',
      undefined,
    ]) {
      expect(explainedFolder('/data', error)).toBe(error);
    }
    expect(unusableFolder('/data', 'EODD', 'cause').message).toMatch(/cannot be used \(EODD\); set/);
  });
});

describe('a mark of a data folder', () => {
  it('is found until it is removed, and says why', async () => {
    const dir = await tempFolder();
    expect([isMarked(dir, MOVED), isMarked(dir, BACKUP)]).toEqual([false, false]);
    markFolder(dir, BACKUP, 'first words, which are long');
    markFolder(dir, BACKUP, 'why');
    expect([isMarked(dir, MOVED), isMarked(dir, BACKUP)]).toEqual([false, true]);
    const path = join(dir, 'backup-to-be-recovered');
    expect([await readFile(path, 'utf8'), await modeOf(path)]).toEqual(['why\n', '600']);
    unmarkFolder(dir, BACKUP);
    unmarkFolder(dir, BACKUP);
    expect(isMarked(dir, BACKUP)).toBe(false);
    markFolder(dir, MOVED, 'moved');
    expect(existsSync(join(dir, 'moved-to-postgresql'))).toBe(true);
  });

  it('keeps gateways from it', async () => {
    const dir = await tempFolder();
    expect([refuseMovedFolder(dir), refuseBackupFolder(dir)]).toEqual([undefined, undefined]);
    markFolder(dir, MOVED, 'moved');
    markFolder(dir, BACKUP, 'backup');
    expect(thrownBy(() => refuseMovedFolder(dir))).toMatchObject({ code: 'data_dir_moved', status: 409 });
    expect(thrownBy(() => refuseBackupFolder(dir))).toMatchObject({
      code: 'data_dir_is_backup',
      status: 409,
      message: expect.stringContaining(`ONETAKE_DATA_DIR=${dir} onetake recover`),
    });
  });
});

describe('the rows of a data folder', () => {
  async function aFolder() {
    const path = join(await tempFolder(), 'onetake.db');
    const db = new Database(path);
    db.exec('create table media (id text primary key, storage_key text, state text)');
    const insert = db.prepare('insert into media values (?, ?, ?)');
    db.transaction(() => {
      for (let n = 0; n < 1001; n++)
        insert.run(`m${1001 - n}`, `video/${n}.mp4`, n % 500 === 0 ? 'present' : 'pending');
    })();
    db.close();
    const rows = readFolderRows(path);
    onTestFinished(() => rows.close());
    return { path, rows };
  }

  it('are read in the order of their writing, 500 at a time', async () => {
    const { rows } = await aFolder();
    const batches = [...rows.batches('media')];
    expect(batches.map(({ length }) => length)).toEqual([500, 500, 1]);
    expect(batches.flat()[1]).toEqual({ id: 'm1000', storage_key: 'video/1.mp4', state: 'pending' });
    expect(new Set(batches.flat().map(({ id }) => id)).size).toBe(1001);
    expect(rows.columns('media')).toEqual(['id', 'storage_key', 'state']);
    expect([...rows.mediaKeys()]).toEqual(['video/0.mp4', 'video/500.mp4', 'video/1000.mp4']);
    expect(rows.get('select id from media where id = ?', 'm7')).toEqual({ id: 'm7' });
    expect(rows.get('select id from media where id = ?', 'none')).toBeUndefined();
  });

  it('are only read, from a file that exists', async () => {
    const { path, rows } = await aFolder();
    expect(() => rows.get('delete from media returning id')).toThrow(/readonly/);
    const none = `${path}.none`;
    expect(() => readFolderRows(none)).toThrow();
    expect(existsSync(none)).toBe(false);
    rows.close();
    expect(() => rows.get('select 1')).toThrow(/not open/);
  });
});
