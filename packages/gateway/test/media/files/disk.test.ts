import { rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createDiskSpace } from '../../../src/media/diskSpace.ts';
import { createFolderSync, explained, isMissing, makeFolder } from '../../../src/media/files/disk.ts';
import { listFiles, removeOldFiles } from '../../../src/media/files/list.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const coded = (code: string) => Object.assign(new Error('no'), { code });

describe('a disk error', () => {
  it.each([
    ['ENOSPC', /is full/],
    ['EDQUOT', /is full/],
    ['EACCES', /read and write access/],
    ['EPERM', /read and write access/],
    ['EROFS', /read and write access/],
    ['ENOTDIR', /a file is where a folder/],
    ['EEXIST', /a file is where a folder/],
  ])('that the operator can fix says how: %s', async (code, advice) => {
    const cause = coded(code);
    await expect(explained(() => Promise.reject(cause))).rejects.toMatchObject({
      code: 'storage_unavailable',
      status: 503,
      message: expect.stringMatching(advice),
      details: { retryAfterSeconds: 60 },
      cause,
    });
  });

  it.each([coded('EIO'), new Error('no'), 'no'])('of another kind is not changed: %s', async (error) => {
    await expect(explained(() => Promise.reject(error))).rejects.toBe(error);
  });

  it('about a missing file is recognised by its code', () => {
    expect([coded('ENOENT'), coded('EIO'), new Error('ENOENT'), { code: 'ENOENT' }].map(isMissing)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('the reserve of a disk', () => {
  const space = createDiskSpace({ folder: '/somewhere', reserveBytes: 100, freeOn: async () => 150 });

  it('is not used, to the byte', async () => {
    await space.requireRoom(50);
    await expect(space.requireRoom(51)).rejects.toMatchObject({ code: 'storage_unavailable', status: 503 });
    expect(await space.freeBytes()).toBe(150);
  });

  it('is reported in MiB', async () => {
    const mib = 2 ** 20;
    const small = createDiskSpace({ folder: '/', reserveBytes: 7.9 * mib, freeOn: async () => 3.9 * mib });
    await expect(small.requireRoom(0)).rejects.toThrow(/has 3 MiB free, of which 7 MiB/);
  });

  it('is compared with the real disk unless a test says otherwise', async () => {
    const real = createDiskSpace({ folder: await tempFolder(), reserveBytes: 0 });
    expect(await real.freeBytes()).toBeGreaterThan(0);
    await real.requireRoom(0);
    await expect(real.requireRoom(2 ** 60)).rejects.toMatchObject({ code: 'storage_unavailable' });
  });
});

describe('files of a folder', () => {
  async function folder(...names: string[]) {
    const root = await tempFolder();
    for (const name of names) {
      await makeFolder(join(root, name, '..'));
      await writeFile(join(root, name), 'bytes');
    }
    return root;
  }
  const keysIn = async (root: string, after?: string) =>
    (await Array.fromAsync(listFiles(root, after))).map(({ key }) => key);

  it('are listed in byte order, only media, starting after a key', async () => {
    const root = await folder(
      'video/b.mp4',
      'video/B.mp4',
      'poster/z.jpg',
      'video/a.mp4',
      'video/c.part',
      'top.mp4',
    );
    await writeFile(join(root, 'video', 'c.mp4.part'), 'bytes');
    const all = ['poster/z.jpg', 'video/B.mp4', 'video/a.mp4', 'video/b.mp4', 'video/c.part'];
    expect(await keysIn(root)).toEqual(all);
    expect(await keysIn(root, 'video/a.mp4')).toEqual(all.slice(3));
    expect(await keysIn(join(root, 'nothing'))).toEqual([]);
  });

  it('are removed if they are old and nobody needs them', async () => {
    const root = await folder('a/old', 'a/older', 'b/new', 'b/kept', 'top');
    await makeFolder(join(root, 'a', 'folder'));
    const before = 1_000_000_000_000;
    const at = (name: string, ms: number) => utimes(join(root, name), ms / 1000, ms / 1000);
    await at('a/old', before - 1000);
    await at('a/older', before - 2000);
    await at('a/folder', before - 2000);
    await at('b/new', before);
    await at('b/kept', before - 1000);
    await at('top', before - 1000);
    expect(await removeOldFiles(root, before, (path) => !path.endsWith('kept'))).toBe(2);
    expect(await removeOldFiles(root, before)).toBe(1);
    expect(await removeOldFiles(root, before + 1)).toBe(1);
    expect(await removeOldFiles(join(root, 'nothing'), before)).toBe(0);
  });

  it('cannot be listed if a file is where their folder should be', async () => {
    const root = await folder('video/a.mp4');
    await expect(keysIn(join(root, 'video', 'a.mp4'))).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('may be gone by the time they are removed', async () => {
    const root = await folder('a/old');
    const removed = removeOldFiles(root, Date.now() + 60_000, async (path) => {
      await rm(path);
      return true;
    });
    expect(await removed).toBe(1);
  });

  it('are passed over if they were removed after their folder was read', async () => {
    const root = await folder('video/a.mp4');
    // As such a file, a link that leads nowhere is listed and cannot be found.
    await symlink(join(root, 'nowhere'), join(root, 'video', 'b.mp4'));
    expect(await keysIn(root)).toEqual(['video/a.mp4']);
    expect(await removeOldFiles(root, Date.now() + 60_000)).toBe(1);
  });
});

describe('syncing a folder', () => {
  /** Records syncs, which end when the test says so. */
  function world() {
    const syncs: { folder: string; end: PromiseWithResolvers<void> }[] = [];
    const pauses: (() => void)[] = [];
    const sync = createFolderSync(
      (folder) => {
        const end = Promise.withResolvers<void>();
        syncs.push({ folder, end });
        return end.promise;
      },
      () => new Promise((resolve) => pauses.push(resolve)),
    );
    const ended: string[] = [];
    const ask = (name: string, folder = 'a', gather = false) =>
      sync(folder, gather).then(
        () => ended.push(name),
        () => ended.push(`${name} failed`),
      );
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    return { syncs, pauses, ended, ask, turn };
  }

  it('waits once for those who are soon to ask, and for a sync that runs', async () => {
    const { syncs, pauses, ended, ask, turn } = world();
    ask('first');
    ask('gathers', 'a', true);
    ask('too', 'a', true);
    ask('joins');
    syncs[0]?.end.resolve();
    await turn();
    expect([syncs.length, pauses.length, ended]).toEqual([1, 1, ['first']]);
    pauses[0]?.();
    await turn();
    // Too late for the one that runs.
    ask('late');
    syncs[1]?.end.resolve();
    await turn();
    expect(ended).toEqual(['first', 'gathers', 'too', 'joins']);
    syncs[2]?.end.resolve();
    await turn();
    expect(ended).toEqual(['first', 'gathers', 'too', 'joins', 'late']);
  });

  it('is done once for all who ask while another sync runs, and begins after they did', async () => {
    const { syncs, ended, ask, turn } = world();
    ask('first');
    for (const name of ['second', 'third']) ask(name);
    ask('other', 'b');
    expect(syncs.map(({ folder }) => folder)).toEqual(['a', 'b']);
    syncs[0]?.end.resolve();
    await turn();
    expect(ended).toEqual(['first']);
    expect(syncs).toHaveLength(3);
    ask('fourth');
    syncs[2]?.end.resolve();
    await turn();
    expect(ended).toEqual(['first', 'second', 'third']);
    syncs[3]?.end.resolve();
    syncs[1]?.end.resolve();
    await turn();
    expect(ended.slice(3).sort()).toEqual(['fourth', 'other']);
    expect(syncs).toHaveLength(4);
    ask('fifth');
    expect(syncs).toHaveLength(5);
  });

  it('fails for those whose sync fails, and is tried again for the others', async () => {
    const { syncs, ended, ask, turn } = world();
    ask('first');
    ask('second');
    syncs[0]?.end.reject(new Error('EIO'));
    await turn();
    syncs[1]?.end.resolve();
    await turn();
    expect(ended).toEqual(['first failed', 'second']);
  });
});
