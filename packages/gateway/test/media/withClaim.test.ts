import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { MediaStorage } from '../../src/media/media.ts';
import { withClaim } from '../../src/media/withClaim.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { put } from './storageContract.ts';

const KEY = 'video/a.mp4';

/** A storage that is claimed before it is changed, and its calls in order. */
async function claimed() {
  const files = createFileStorage({ root: await tempFolder() });
  const calls: string[] = [];
  let away = false;
  const noting = <A extends unknown[], R>(name: string, work: (...given: A) => R) => {
    return (...given: A): R => {
      calls.push(name);
      return work(...given);
    };
  };
  const storage: MediaStorage = {
    ...files,
    claim: async (installation) => {
      calls.push(`claim ${installation}`);
      if (away) throw new Error('away');
    },
    write: async (key) => {
      const write = await files.write(key);
      return { ...write, commit: noting('commit', write.commit) };
    },
    remove: noting('remove', files.remove),
    list: noting('list', files.list),
    removeLeftovers: noting('removeLeftovers', files.removeLeftovers),
    check: noting('check', files.check),
  };
  return {
    files,
    calls,
    storage: withClaim(storage, 'ours'),
    setAway: (value: boolean) => {
      away = value;
    },
  };
}

const CHANGES: readonly [string, (storage: MediaStorage) => Promise<unknown>][] = [
  ['commit', (storage) => put(storage, KEY, 'bytes')],
  ['remove', (storage) => storage.remove(KEY)],
  ['list', (storage) => Array.fromAsync(storage.list())],
  ['removeLeftovers', (storage) => storage.removeLeftovers(0)],
  ['check', (storage) => storage.check()],
];

describe('a storage', () => {
  it.each(CHANGES)('is claimed before this: %s', async (name, change) => {
    const { storage, calls } = await claimed();
    await change(storage);
    expect(calls).toEqual(['claim ours', name]);
  });

  it.each(CHANGES)(
    'that cannot be claimed is not changed by this, and claimed once it can: %s',
    async (name, change) => {
      const { storage, calls, setAway } = await claimed();
      setAway(true);
      await expect(change(storage)).rejects.toThrow('away');
      expect(calls).toEqual(['claim ours']);
      setAway(false);
      await change(storage);
      expect(calls).toEqual(['claim ours', 'claim ours', name]);
    },
  );

  it('is claimed only once', async () => {
    const { storage, calls } = await claimed();
    await Promise.all([storage.claim('whatever is said'), storage.check(), storage.remove(KEY)]);
    await storage.check();
    expect(calls.filter((call) => call.startsWith('claim'))).toEqual(['claim ours']);
  });

  it('passes on every call', async () => {
    const { storage, files } = await claimed();
    await put(files, 'video/a.mp4', 'bytes');
    await put(files, 'video/b.mp4', 'bytes');
    const after = await Array.fromAsync(storage.list('video/a.mp4'));
    expect(after.map(({ key }) => key)).toEqual(['video/b.mp4']);
    const write = await storage.write('video/c.mp4');
    await write.append(Readable.from([Buffer.from('c')]), 0);
    await write.commit('video/d.mp4');
    expect((await files.stat('video/d.mp4'))?.bytes).toBe(1);
    await storage.remove('video/d.mp4');
    expect(await files.stat('video/d.mp4')).toBeUndefined();
    const left = await storage.write('video/e.mp4');
    await left.append(Readable.from([Buffer.from('e')]), 0);
    expect(await storage.removeLeftovers(Date.now() + 60_000, async () => true)).toBe(0);
    expect(await storage.removeLeftovers(Date.now() + 60_000, async () => false)).toBe(1);
  });
});
