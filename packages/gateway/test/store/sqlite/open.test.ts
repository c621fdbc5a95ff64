import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from '../../../src/store/folder/lock.ts';
import { BACKUP, MOVED, markFolder } from '../../../src/store/folder/marks.ts';
import { makeFolder, openSqliteFile, sqlitePath } from '../../../src/store/sqlite/file.ts';
import { migrateSqlite, pendingInSqlite } from '../../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { tempFolder } from '../../support/tempFolder.ts';

describe('opening a data folder', () => {
  it('creates it with all folders above it, for its owner alone', async () => {
    const dir = join(await tempFolder(), 'a', 'b', 'c');
    makeFolder(dir);
    makeFolder(dir);
    for (const path of [dir, join(dir, '..'), join(dir, '..', '..')]) {
      expect(((await stat(path)).mode & 0o777).toString(8)).toBe('700');
    }
    const db = await openSqliteFile(dir);
    db.close();
    expect(sqlitePath(dir)).toBe(join(dir, 'onetake.db'));
    expect(((await stat(sqlitePath(dir))).mode & 0o777).toString(8)).toBe('600');
  });

  it.each([
    ['in its place', 'file', /EEXIST/],
    ['above it', 'file/below', /EEXIST/],
  ])('fails with a file %s', async (_where, name, code) => {
    const parent = await tempFolder();
    await writeFile(join(parent, 'file'), '');
    const refused = { code: 'data_dir_unusable', message: expect.stringMatching(code) };
    expect(() => makeFolder(join(parent, name))).toThrow(expect.objectContaining(refused));
    await expect(migrateSqlite(join(parent, name))).rejects.toMatchObject(refused);
    await expect(openSqliteStore({ dir: join(parent, name), exclusive: true })).rejects.toMatchObject(
      refused,
    );
  });

  it('fails with a database that is none, and releases the folder', async () => {
    const dir = await tempFolder();
    await writeFile(sqlitePath(dir), 'not a database, but long enough to be looked at as one'.repeat(40));
    await expect(openSqliteStore({ dir, exclusive: true })).rejects.toMatchObject({ code: 'SQLITE_NOTADB' });
    lockFolder(dir).release();
  });

  it.each([true, false])(
    'is refused after its rows were moved, exclusively or not: %s',
    async (exclusive) => {
      const dir = await tempFolder();
      markFolder(dir, MOVED, 'moved');
      await expect(openSqliteStore({ dir, exclusive })).rejects.toMatchObject({ code: 'data_dir_moved' });
      expect(existsSync(sqlitePath(dir))).toBe(false);
      lockFolder(dir).release();
    },
  );

  it.each([
    [{ exclusive: true }, 'refused'],
    [{ exclusive: true, recovering: true }, 'opened'],
    [{ exclusive: false }, 'opened'],
  ])('that is a backup, with %j, is %s', async (options, outcome) => {
    const dir = await tempFolder();
    markFolder(dir, BACKUP, 'backup');
    const opening = openSqliteStore({ dir, ...options });
    if (outcome === 'refused') await expect(opening).rejects.toMatchObject({ code: 'data_dir_is_backup' });
    else await (await opening).close();
    lockFolder(dir).release();
  });

  it('migrates it once, and says what is missing without creating anything', async () => {
    const dir = join(await tempFolder(), 'data');
    const pending = await pendingInSqlite(dir);
    expect([pending[0], existsSync(dir)]).toEqual(['0001_initial', false]);
    expect(await migrateSqlite(dir)).toEqual(pending);
    expect([await migrateSqlite(dir), await pendingInSqlite(dir)]).toEqual([[], []]);
  });

  it('keeps its secrets, and closes once everything is written', async () => {
    const dir = await tempFolder();
    const store = await openSqliteStore({ dir, exclusive: true });
    const secret = store.secret('links', () => 'first');
    await store.close();
    expect(await secret).toBe('first');
    const again = await openSqliteStore({ dir, exclusive: true });
    expect(await again.secret('links', () => 'second')).toBe('first');
    await again.close();
    await expect(again.task('any')).rejects.toThrow(/not open/);
  });
});
