import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { MediaStorage } from '../../src/media/media.ts';
import { createVerifiedMedia, type Damage, type StoredObject } from '../../src/media/verified.ts';
import { readAll } from '../support/http/readAll.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { put } from './storageContract.ts';

const BYTES = Buffer.from('0123456789'.repeat(1000));
const PART = { start: 0, end: 9 };
const row: StoredObject = {
  id: '1',
  storageKey: 'video/1.mp4',
  state: 'present',
  bytes: BYTES.length,
  sha256: createHash('sha256').update(BYTES).digest('hex'),
};

async function world(change: (storage: MediaStorage) => Partial<MediaStorage> = () => ({})) {
  const files = createFileStorage({ root: await tempFolder() });
  await put(files, row.storageKey, BYTES);
  let wholeReads = 0;
  const told: Damage[] = [];
  const warned = Promise.withResolvers<void>();
  const counting: MediaStorage = {
    ...files,
    read(key, range) {
      if (!range) wholeReads += 1;
      return files.read(key, range);
    },
  };
  const media = createVerifiedMedia({
    storage: { ...counting, ...change(counting) },
    damaged: (_row, damage) => told.push(damage),
    log: { warn: () => warned.resolve() },
  });
  return { media, files, told, warned: warned.promise, wholeReads: () => wholeReads };
}

const part = async ({ media }: Awaited<ReturnType<typeof world>>) => readAll(await media.read(row, PART));

describe('who reads parts', () => {
  it('makes the whole be read once, however often and at how many ends', async () => {
    const w = await world();
    await Promise.all(Array.from({ length: 20 }, () => part(w)));
    await w.media.verify(row);
    const reads = w.wholeReads();
    expect(reads).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 20 }, () => part(w)));
    expect(w.wholeReads()).toBe(reads);
  });

  it('makes it be read again once it was written since', async () => {
    let modifiedAt = 1000;
    const w = await world((storage) => ({
      stat: async (key) => ({ bytes: (await storage.stat(key))?.bytes ?? 0, modifiedAt }),
    }));
    expect(await w.media.verify(row)).toBeUndefined();
    await w.media.stat(row);
    await part(w);
    expect(w.wholeReads()).toBe(1);
    modifiedAt = 2000;
    await w.media.stat(row);
    await part(w);
    await w.media.verify(row);
    expect(w.wholeReads()).toBeGreaterThan(1);
  });
});

describe('what counts as damaged', () => {
  it('is not one wrong answer of a storage whose object is whole', async () => {
    let lies = 1;
    const w = await world((storage) => ({
      read: async (key, range) =>
        lies-- > 0 ? Readable.from([Buffer.alloc(BYTES.length)]) : storage.read(key, range),
    }));
    await expect(w.media.read(row).then(readAll)).rejects.toMatchObject({ code: 'media_damaged' });
    expect((await readAll(await w.media.read(row))).equals(BYTES)).toBe(true);
    expect(await w.media.verify(row)).toBeUndefined();
    expect(w.told).toEqual([]);
  });

  it('is no answer that is cut short, nor one that never comes', async () => {
    const w = await world(() => ({ read: async () => Readable.from([BYTES.subarray(0, 100)]) }));
    await expect(w.media.read(row).then(readAll)).rejects.toMatchObject({ status: 502 });
    await w.warned;
    await expect(w.media.verify(row)).rejects.toThrow('100 of 10000 bytes');
    expect(w.told).toEqual([]);
  });

  it('is not read any more', async () => {
    const w = await world();
    const damaged = { ...row, state: 'damaged' } as const;
    await expect(w.media.stat(damaged)).rejects.toMatchObject({ code: 'media_damaged' });
    await expect(w.media.read(damaged)).rejects.toMatchObject({ code: 'media_damaged' });
  });
});

it('a reader that goes away ends the read behind it', async () => {
  const sources: Readable[] = [];
  const w = await world((storage) => ({
    async read(key, range) {
      const source = await storage.read(key, range);
      sources.push(source);
      return source;
    },
  }));
  const stream = await w.media.read(row);
  const closed = new Promise((resolve) => sources[0]?.once('close', resolve));
  stream.destroy();
  await closed;
});
