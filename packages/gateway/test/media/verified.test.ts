import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { MediaStorage } from '../../src/media/media.ts';
import { createVerifiedMedia, type Damage, type StoredObject } from '../../src/media/verified.ts';
import { eventually } from '../support/eventually.ts';
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

async function world(
  change: (storage: MediaStorage) => Partial<MediaStorage> = () => ({}),
  bytes: Buffer = BYTES,
) {
  const files = createFileStorage({ root: await tempFolder() });
  await put(files, row.storageKey, bytes);
  let wholeReads = 0;
  const told: Damage[] = [];
  const warned = Promise.withResolvers<void>();
  let warnings = 0;
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
    log: {
      warn() {
        warnings += 1;
        warned.resolve();
      },
    },
  });
  return {
    media,
    files,
    told,
    warned: warned.promise,
    wholeReads: () => wholeReads,
    warnings: () => warnings,
  };
}

const part = async ({ media }: Awaited<ReturnType<typeof world>>) => readAll(await media.read(row, PART));

describe('reading parts', () => {
  it('makes the whole object be read once, for any number of parts', async () => {
    const w = await world();
    await Promise.all(Array.from({ length: 20 }, () => part(w)));
    await w.media.verify(row);
    const reads = w.wholeReads();
    expect(reads).toBeLessThanOrEqual(2);
    await Promise.all(Array.from({ length: 20 }, () => part(w)));
    expect(w.wholeReads()).toBe(reads);
  });

  it('makes it be read again if it was written since', async () => {
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
    expect(w.wholeReads()).toBe(3);
  });
});

describe('a damaged object', () => {
  it('is not assumed after one wrong answer of a storage whose object is intact', async () => {
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

  it('is not assumed after a truncated answer, or one that never comes', async () => {
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

describe('an object', () => {
  const short = BYTES.subarray(0, 9999);
  const other = Buffer.alloc(BYTES.length, 'x');
  const { sha256: _, ...byLength } = row;
  const { bytes: __, ...byDigest } = row;
  const { bytes: ___, ...byNothing } = byLength;

  it.each<[string, StoredObject, Buffer, object | undefined]>([
    ['is whole', row, BYTES, undefined],
    ['is shorter', row, short, { problem: 'length', detail: '9999 bytes instead of 10000' }],
    [
      'has other bytes',
      row,
      other,
      { problem: 'digest', detail: expect.stringContaining(`of ${row.sha256}`) },
    ],
    ['has the right length, without a known digest', byLength, other, undefined],
    [
      'has a wrong length, without a known digest',
      byLength,
      short,
      { problem: 'length', detail: '9999 bytes instead of 10000' },
    ],
    ['has a wrong digest, without a known length', byDigest, short, { problem: 'digest' }],
    ['is there, of which nothing is known', byNothing, short, undefined],
    ['is not there', { ...row, storageKey: 'video/2.mp4' }, BYTES, { problem: 'missing' }],
  ])('that %s is reported', async (_what, given, bytes, damage) => {
    const w = await world(() => ({}), bytes);
    const verdict = await w.media.verify(given);
    if (damage) expect(verdict).toMatchObject(damage);
    else expect(verdict).toBeUndefined();
  });

  it('with another length, or a missing one, is not answered, and is checked again', async () => {
    const w = await world(() => ({}), short);
    await expect(w.media.stat(row)).rejects.toMatchObject({ code: 'media_damaged', status: 502 });
    await eventually(() => expect(w.told).toMatchObject([{ problem: 'length' }]));
    const gone = { ...row, storageKey: 'video/2.mp4' };
    await expect(w.media.stat(gone)).rejects.toMatchObject({ code: 'media_missing', status: 502 });
    await eventually(() => expect(w.told).toMatchObject([{}, { problem: 'missing' }]));
    await expect(w.media.read(gone)).rejects.toMatchObject({ code: 'media_missing', status: 502 });
    await eventually(() => expect(w.told).toHaveLength(3));
  });

  it('of which a part arrives incomplete is checked again, although it was intact before', async () => {
    let lies = false;
    const w = await world((storage) => ({
      read: async (key, range) =>
        lies && range ? Readable.from([Buffer.from('x')]) : storage.read(key, range),
    }));
    await w.media.verify(row);
    lies = true;
    await expect(w.media.read(row, PART).then(readAll)).rejects.toMatchObject({ code: 'media_damaged' });
    await eventually(() => expect(w.wholeReads()).toBe(2));
  });

  it('whose storage fails is neither damaged nor missing', async () => {
    const away = new Error('away');
    const w = await world(() => ({ read: () => Promise.reject(away) }));
    await expect(w.media.read(row)).rejects.toBe(away);
    expect(w.told).toEqual([]);
  });

  it('is checked by its digest if the range covers all of it', async () => {
    const w = await world(() => ({}), other);
    const all = (end: number) => w.media.read(row, { start: 0, end }).then(readAll);
    await expect(all(BYTES.length - 1)).rejects.toMatchObject({ code: 'media_damaged' });
    expect(await all(BYTES.length - 2)).toHaveLength(BYTES.length - 1);
    const allButTheFirst = { start: 1, end: BYTES.length - 1 };
    expect(await readAll(await w.media.read(row, allButTheFirst))).toHaveLength(BYTES.length - 1);
  });

  it('is read once if all of it is read, because that checks it', async () => {
    const w = await world();
    await readAll(await w.media.read(row));
    // By the end of this read, one in the background would have begun.
    await w.media.verify(row);
    expect(w.wholeReads()).toBe(2);
  });

  it('is not checked because of a part if no digest is known', async () => {
    let stats = 0;
    const w = await world((storage) => ({
      stat(key) {
        stats += 1;
        return storage.stat(key);
      },
    }));
    await readAll(await w.media.read(byLength, PART));
    await new Promise((resolve) => setImmediate(resolve));
    expect([stats, w.wholeReads()]).toEqual([0, 0]);
  });
});

describe('background reads', () => {
  it('end when the gateway does, and report nothing that they did not see', async () => {
    const sources: Readable[] = [];
    const w = await world((storage) => ({
      async read(key, range) {
        if (range) return storage.read(key, range);
        const endless = new Readable({ read: () => undefined });
        sources.push(endless);
        return endless;
      },
    }));
    await part(w);
    await eventually(() => expect(sources).toHaveLength(1));
    w.media.close();
    await eventually(() => expect(sources[0]?.destroyed).toBe(true));
    await part(w);
    await expect(w.media.verify(row)).rejects.toThrow('the gateway stops');
    expect(sources).toHaveLength(2);
    expect(w.told).toEqual([]);
    expect(w.warnings()).toBe(0);
  });

  it('run two at a time, and at most a hundred wait', async () => {
    const waiting: (() => void)[] = [];
    let begun = 0;
    const w = await world((storage) => ({
      stat: async () => {
        begun += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return undefined;
      },
      read: async (_key, range) => storage.read(row.storageKey, range),
    }));
    const readPart = async (n: number) =>
      readAll(await w.media.read({ ...row, storageKey: `video/${n}.mp4` }, PART));
    for (let n = 0; n < 110; n++) await readPart(n);
    expect(begun).toBe(2);
    await eventually(() => {
      for (const go of waiting.splice(0)) go();
      expect(w.told).toHaveLength(102);
    });
    // There is room again, also for one that was skipped.
    await readPart(109);
    await eventually(() => {
      for (const go of waiting.splice(0)) go();
      expect(w.told).toHaveLength(103);
    });
  });
});

it('end when their reader disconnects', async () => {
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
