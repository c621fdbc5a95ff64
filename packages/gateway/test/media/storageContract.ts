import { createHash, randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { MediaStorage } from '../../src/media/media.ts';
import { createVerifiedMedia, type Damage } from '../../src/media/verified.ts';
import { newId } from '../../src/tasks/ids.ts';
import { recordDiskSteps } from '../support/diskSteps.ts';
import { readAll } from '../support/http/readAll.ts';

/** A storage, and a way to open the same one again as the next process would. */
export interface OpenStorage {
  readonly storage: MediaStorage;
  reopen(): Promise<MediaStorage>;
}

const newKey = (): string => `video/${newId()}.mp4`;

/** Sends `bytes`, then breaks, as a connection does. */
async function* breakingOff(...bytes: Buffer[]): AsyncGenerator<Buffer> {
  yield* bytes;
  throw new Error('the connection broke');
}

const streamOf = (bytes: Buffer | string): Readable => Readable.from([Buffer.from(bytes)]);

export async function put(storage: MediaStorage, key: string, bytes: Buffer | string): Promise<void> {
  const write = await storage.write(key);
  await write.append(streamOf(bytes), 0);
  await write.commit();
}

async function get(storage: MediaStorage, key: string, range?: { start: number; end: number }) {
  return (await readAll(await storage.read(key, range))).toString();
}

/** The contract of every media storage. `open` returns an empty one, which is removed when the test ends. */
export function describeStorageContract(name: string, open: () => Promise<OpenStorage>): void {
  describe(`${name}: an object`, () => {
    it('is read byte for byte as it was written, with its length and time', async () => {
      const { storage } = await open();
      const key = newKey();
      const bytes = randomBytes(300_000);
      const before = Date.now();
      const write = await storage.write(key);
      expect(write.partial).toBe(0);
      const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 200_000), bytes.subarray(200_000)];
      expect(await write.append(Readable.from(pieces), 0)).toBe(bytes.length);
      const committed = await write.commit();

      expect(committed.bytes).toBe(bytes.length);
      // Some storages have whole seconds only.
      expect(committed.modifiedAt).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000 - 1000);
      expect(await storage.stat(key)).toEqual(committed);
      expect((await readAll(await storage.read(key))).equals(bytes)).toBe(true);
    });

    it('is written as far as is told, and by then needs no piece of it any more', async () => {
      const { storage } = await open();
      const bytes = randomBytes(300_000);
      const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 200_000), bytes.subarray(200_000)];
      const key = newKey();
      const write = await storage.write(key);
      const told: [number, number | undefined, number][] = [];
      await write.append(Readable.from(pieces.map((piece) => Buffer.from(piece))), 0, (length, piece) => {
        told.push([length, piece?.length, statSync(write.path).size]);
        piece?.fill(0);
      });
      expect(told).toEqual([
        [0, undefined, 0],
        [1, 1, 1],
        [200_000, 199_999, 200_000],
        [300_000, 100_000, 300_000],
      ]);
      await write.commit();
      expect((await readAll(await storage.read(key))).equals(bytes)).toBe(true);
    });

    it('does not exist before it is committed, even after a write of all its bytes', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await write.append(streamOf('bytes'), 0);
      expect(await storage.stat(key)).toBeUndefined();
      await expect(storage.read(key)).rejects.toThrow(key);
      await expect(storage.read(key, { start: 0, end: -1 })).rejects.toThrow(key);
      await expect(storage.withLocalFile(key, async () => 'used')).rejects.toThrow(key);
      expect(await readFile(write.path, 'utf8')).toBe('bytes');
      await write.commit();
      expect(await get(storage, key)).toBe('bytes');
    });

    it('can be read in part', async () => {
      const { storage } = await open();
      const key = newKey();
      await put(storage, key, '0123456789');
      expect(await get(storage, key, { start: 0, end: 0 })).toBe('0');
      expect(await get(storage, key, { start: 3, end: 5 })).toBe('345');
      expect(await get(storage, key, { start: 9, end: 9 })).toBe('9');
      expect(await get(storage, key, { start: 0, end: 9 })).toBe('0123456789');
    });

    it('may be empty', async () => {
      const { storage } = await open();
      const key = newKey();
      await put(storage, key, '');
      expect((await storage.stat(key))?.bytes).toBe(0);
      expect(await get(storage, key)).toBe('');
      expect(await get(storage, key, { start: 0, end: -1 })).toBe('');
    });

    it('can be closed in the middle of a read', async () => {
      const { storage } = await open();
      const key = newKey();
      await put(storage, key, randomBytes(1_000_000));
      const stream = await storage.read(key);
      for await (const _piece of stream) break;
      expect(stream.destroyed).toBe(true);
    });

    it('is replaced as a whole by a later write', async () => {
      const { storage } = await open();
      const key = newKey();
      await put(storage, key, 'first, and longer');
      const write = await storage.write(key);
      await write.append(streamOf('second'), 0);
      expect(await get(storage, key)).toBe('first, and longer');
      await write.commit();
      expect(await get(storage, key)).toBe('second');
    });

    it('can be used as a local file', async () => {
      const { storage } = await open();
      const key = newKey();
      await put(storage, key, 'bytes');
      expect(await storage.withLocalFile(key, (path) => readFile(path, 'utf8'))).toBe('bytes');
      await expect(
        storage.withLocalFile(key, async () => {
          throw new Error('the user failed');
        }),
      ).rejects.toThrow('the user failed');
    });

    it('is gone after its removal; removing a missing object is no error', async () => {
      const { storage } = await open();
      const [key, other] = [newKey(), newKey()];
      await put(storage, key, 'bytes');
      await put(storage, other, 'others');
      await storage.remove(key);
      await storage.remove(key);
      expect(await storage.stat(key)).toBeUndefined();
      await expect(storage.read(key)).rejects.toThrow(key);
      expect(await get(storage, other)).toBe('others');
    });

    it('is stored separately for each kind', async () => {
      const { storage } = await open();
      const id = newId();
      await put(storage, `video/${id}.mp4`, 'video');
      await put(storage, `poster/${id}.jpg`, 'poster');
      expect(await get(storage, `video/${id}.mp4`)).toBe('video');
      expect(await get(storage, `poster/${id}.jpg`)).toBe('poster');
      expect(await storage.stat(`video/${id}.jpg`)).toBeUndefined();
    });
  });

  describe(`${name}: an interrupted write`, () => {
    it('keeps what had arrived when the stream broke, and continues from there', async () => {
      const { storage, reopen } = await open();
      const key = newKey();
      const write = await storage.write(key);
      const broken = Readable.from(breakingOff(Buffer.from('0123'), Buffer.from('4567')));
      await expect(write.append(broken, 0)).rejects.toThrow('the connection broke');
      expect(await storage.stat(key)).toBeUndefined();

      const again = await (await reopen()).write(key);
      expect(again.partial).toBe(8);
      expect(await again.append(streamOf('89'), again.partial)).toBe(10);
      await again.commit();
      expect(await get(storage, key)).toBe('0123456789');
    });

    it('can continue from an earlier byte, or from the first', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await write.append(streamOf('0123xxxxxxxx'), 0);
      expect(await write.append(streamOf('456'), 4)).toBe(7);
      await write.commit();
      expect(await get(storage, key)).toBe('0123456');

      const other = await storage.write(newKey());
      await other.append(streamOf('xxxxxxxx'), 0);
      expect(await other.append(streamOf('0'), 0)).toBe(1);
      expect((await other.commit()).bytes).toBe(1);
    });

    it('cannot leave a hole', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await write.append(streamOf('0123'), 0);
      const refused = streamOf('56');
      await expect(write.append(refused, 5)).rejects.toThrow(/4 bytes/);
      // Nobody else ends the download.
      expect(refused.destroyed).toBe(true);
      expect((await storage.write(key)).partial).toBe(4);
    });

    it('rejects if the stream broke before it was read, and has no other effect', async () => {
      const { storage } = await open();
      const write = await storage.write(newKey());
      const broken = new Readable({ read: () => undefined });
      const appending = write.append(broken, 0);
      broken.destroy(new Error('the connection broke'));
      await expect(appending).rejects.toThrow('the connection broke');
    });

    it('starts again after it was abandoned', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await write.append(streamOf('bytes'), 0);
      await write.abandon();
      await write.abandon();
      expect((await storage.write(key)).partial).toBe(0);
      expect(await storage.stat(key)).toBeUndefined();
    });

    it('leaves nothing behind once the object is removed', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await write.append(streamOf('bytes'), 0);
      await storage.remove(key);
      expect((await storage.write(key)).partial).toBe(0);
    });

    it('cannot be committed if it is empty', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      await expect(write.commit()).rejects.toThrow();
      expect(await storage.stat(key)).toBeUndefined();
    });
  });

  describe(`${name}: a note about staged bytes`, () => {
    it('exists for the next process, and is removed with the bytes', async () => {
      const { storage, reopen } = await open();
      for (const ending of ['commit', 'abandon', 'remove'] as const) {
        const key = newKey();
        const write = await storage.write(key);
        expect(await write.readNote()).toBeUndefined();
        await write.writeNote({ total: 5 });
        await write.append(streamOf('bytes'), 0);
        await write.writeNote({ total: 5, good: true });
        const again = await (await reopen()).write(key);
        expect([again.partial, await again.readNote()]).toEqual([5, { total: 5, good: true }]);
        if (ending === 'remove') await storage.remove(key);
        else await write[ending]();
        expect(await (await storage.write(key)).readNote()).toBeUndefined();
      }
    });

    it('is there as a whole or not at all, whenever the process ends', async () => {
      const { storage } = await open();
      const write = await storage.write(newKey());
      const steps = recordDiskSteps(dirname(write.path));
      await write.append(streamOf('bytes'), 0);
      const [part, note] = [basename(write.path), `${basename(write.path)}.note`];
      steps.length = 0;
      await write.writeNote({ total: 5 });
      expect(steps).toEqual([`rename ${note}.new to ${note}`]);
      steps.length = 0;
      await write.abandon();
      expect(steps).toEqual([`rm ${note}`, `rm ${part}`]);
    });

    it('is ignored if it cannot be read', async () => {
      const { storage } = await open();
      const write = await storage.write(newKey());
      await write.append(streamOf('bytes'), 0);
      await writeFile(`${write.path}.note`, '{"total": 5');
      expect(await write.readNote()).toBeUndefined();
      await write.writeNote({ total: 5 });
      expect(await write.readNote()).toEqual({ total: 5 });
    });

    it('stays with its bytes for as long as somebody needs them, however old they are', async () => {
      const { storage } = await open();
      const [needed, other] = [newKey(), newKey()];
      for (const key of [needed, other]) {
        const write = await storage.write(key);
        await write.append(streamOf('bytes'), 0);
        await write.writeNote({ total: 5 });
      }
      expect(await storage.removeLeftovers(Date.now() + 60_000, async (key) => key === needed)).toBe(2);
      const [left, gone] = [await storage.write(needed), await storage.write(other)];
      expect([left.partial, await left.readNote()]).toEqual([5, { total: 5 }]);
      expect([gone.partial, await gone.readNote()]).toEqual([0, undefined]);
    });
  });

  describe(`${name}: two writes of one key`, () => {
    it('never mix their bytes: the second is refused while the first is in progress', async () => {
      const { storage } = await open();
      const key = newKey();
      const [first, second] = [await storage.write(key), await storage.write(key)];
      const slow = new Readable({ read: () => undefined });
      const appending = first.append(slow, 0);
      await expect(second.append(streamOf('second'), 0)).rejects.toThrow(key);
      await expect(storage.write(key)).rejects.toThrow(key);
      slow.push('first');
      slow.push(null);
      await appending;
      await first.commit();
      expect(await get(storage, key)).toBe('first');
    });

    it('never commit what the other wrote', async () => {
      const { storage } = await open();
      const key = newKey();
      const [first, second] = [await storage.write(key), await storage.write(key)];
      await first.append(streamOf('the whole of it'), 0);
      await second.append(streamOf('the wh'), 0);
      await expect(first.commit()).rejects.toThrow(key);
      expect(await storage.stat(key)).toBeUndefined();
    });

    it('run side by side for different keys', async () => {
      const { storage } = await open();
      const keys = Array.from({ length: 20 }, newKey);
      await Promise.all(keys.map((key) => put(storage, key, key)));
      expect(await Promise.all(keys.map((key) => get(storage, key)))).toEqual(keys);
    });
  });

  describe(`${name}: an object whose bytes have changed`, () => {
    const right = randomBytes(300_000);
    const flipped = Buffer.from(right);
    flipped.writeUInt8(flipped.readUInt8(150_000) ^ 1, 150_000);

    /** Reads of a row that expects `right`, from a storage that has something else. */
    async function having(bytes: Buffer | undefined) {
      const { storage } = await open();
      const id = newId();
      const row = {
        id,
        storageKey: `video/${id}.mp4`,
        state: 'present' as const,
        bytes: right.length,
        sha256: createHash('sha256').update(right).digest('hex'),
      };
      if (bytes) await put(storage, row.storageKey, bytes);
      const found = Promise.withResolvers<Damage>();
      const media = createVerifiedMedia({
        storage,
        damaged: (_row, damage) => found.resolve(damage),
        log: { warn: () => undefined },
      });
      return { media, row, found: found.promise };
    }

    it.each([
      ['cut in half', right.subarray(0, 150_000), 'length'],
      ['one byte longer', Buffer.concat([right, Buffer.from('x')]), 'length'],
      ['gone', undefined, 'missing'],
    ] as const)('that is %s returns neither facts nor bytes', async (_how, bytes, problem) => {
      const { media, row, found } = await having(bytes);
      await expect(media.stat(row)).rejects.toMatchObject({ status: 502 });
      await expect(media.read(row).then(readAll)).rejects.toMatchObject({ status: 502 });
      const beyond = { start: right.length - 10, end: right.length - 1 };
      if (problem !== 'length' || bytes.length < right.length) {
        await expect(media.read(row, beyond).then(readAll)).rejects.toThrow();
      }
      expect((await found).problem).toBe(problem);
    });

    it('is never delivered completely: the last piece is withheld', async () => {
      const { media, row, found } = await having(flipped);
      let bytes = 0;
      const reading = (async () => {
        for await (const piece of await media.read(row)) bytes += piece.length;
      })();
      await expect(reading).rejects.toMatchObject({ code: 'media_damaged', status: 502 });
      expect(bytes).toBeLessThan(right.length);
      expect((await found).problem).toBe('digest');
    });

    it('is detected after a part of it was read', async () => {
      const { media, row, found } = await having(flipped);
      expect(await readAll(await media.read(row, { start: 0, end: 9 }))).toEqual(right.subarray(0, 10));
      expect((await found).problem).toBe('digest');
    });

    it('is distinguished from an intact one', async () => {
      const { media, row } = await having(right);
      expect((await media.stat(row)).bytes).toBe(right.length);
      expect((await readAll(await media.read(row))).equals(right)).toBe(true);
      expect(await media.verify(row)).toBeUndefined();
    });
  });

  describe(`${name}: the list`, () => {
    const keysOf = async (storage: MediaStorage, after?: string) =>
      (await Array.fromAsync(storage.list(after))).map(({ key }) => key);

    it('has every object with its length and time, in the order of keys', async () => {
      const { storage } = await open();
      expect(await keysOf(storage)).toEqual([]);
      const id = newId();
      const keys = [`video/${id}.mp4`, `video/${id}-1.mp4`, `poster/${id}.jpg`, `input/${id}.png`];
      for (const key of keys) await put(storage, key, key);
      const listed = await Array.fromAsync(storage.list());
      expect(listed.map(({ key }) => key)).toEqual([...keys].sort());
      for (const { key, ...facts } of listed) {
        const stat = await storage.stat(key);
        expect(facts.bytes).toBe(stat?.bytes);
        // A list may be more exact than a request for one object, which has whole seconds.
        expect(Math.floor(facts.modifiedAt / 1000)).toBe(Math.floor((stat?.modifiedAt ?? 0) / 1000));
      }
    });

    it('continues after a key, whether that exists or not', async () => {
      const { storage } = await open();
      const keys = ['poster/b.jpg', 'video/a.mp4', 'video/c.mp4'];
      for (const key of keys) await put(storage, key, key);
      expect(await keysOf(storage, 'poster/b.jpg')).toEqual(keys.slice(1));
      expect(await keysOf(storage, 'video/b.mp4')).toEqual(keys.slice(2));
      expect(await keysOf(storage, 'video/c.mp4')).toEqual([]);
    });

    it('has nothing uncommitted, removed or internal', async () => {
      const { storage } = await open();
      const write = await storage.write(newKey());
      await write.append(streamOf('bytes'), 0);
      const removed = newKey();
      await put(storage, removed, 'bytes');
      await storage.remove(removed);
      await storage.claim('this one');
      await storage.check();
      expect(await keysOf(storage)).toEqual([]);
    });
  });

  describe(`${name}: leftovers of interrupted writes`, () => {
    it('are removed once they are old; committed objects stay', async () => {
      const { storage } = await open();
      const [key, other] = [newKey(), newKey()];
      await put(storage, key, 'bytes');
      await (await storage.write(other)).append(streamOf('left'), 0);
      expect(await storage.removeLeftovers(Date.now() - 60_000)).toBe(0);
      expect((await storage.write(other)).partial).toBe(4);
      expect(await storage.removeLeftovers(Date.now() + 60_000)).toBe(1);
      expect((await storage.write(other)).partial).toBe(0);
      expect(await get(storage, key)).toBe('bytes');
    });

    it('stay while they are being written', async () => {
      const { storage } = await open();
      const key = newKey();
      const write = await storage.write(key);
      const slow = new Readable({ read: () => undefined });
      const appending = write.append(slow, 0);
      expect(await storage.removeLeftovers(Date.now() + 60_000)).toBe(0);
      slow.push('bytes');
      slow.push(null);
      await appending;
      await write.commit();
      expect(await get(storage, key)).toBe('bytes');
    });
  });

  it(`${name}: a claimed place can be claimed again by the same installation`, async () => {
    const { storage, reopen } = await open();
    await storage.claim('this one');
    await storage.claim('this one');
    await (await reopen()).claim('this one');
  });

  describe(`${name}: a key`, () => {
    it.each([
      '',
      'video',
      'video/',
      '/video/x.mp4',
      'video/x',
      'video/.mp4',
      'video/x.mp4/y.mp4',
      'video//x.mp4',
      'video/../x.mp4',
      '../video/x.mp4',
      'video/..%2fx.mp4',
      'video\\x.mp4',
      'video/x.mp4.part',
      'video/x.tar.gz',
      'video/x.mp4\0',
      'video/x.mp4\n',
      'video/x y.mp4',
      'video/ü.mp4',
      'Video/x.mp4',
      'C:/x.mp4',
      `video/${'x'.repeat(300)}.mp4`,
      '__proto__',
    ])('that is none of ours is refused: %j', async (key) => {
      const { storage } = await open();
      await expect(storage.write(key)).rejects.toThrow(/key/);
      await expect(storage.stat(key)).rejects.toThrow(/key/);
      await expect(storage.read(key)).rejects.toThrow(/key/);
      await expect(storage.remove(key)).rejects.toThrow(/key/);
      await expect(storage.withLocalFile(key, async () => 'used')).rejects.toThrow(/key/);
    });
  });

  it(`${name}: a working storage passes its check`, async () => {
    const { storage } = await open();
    await storage.check();
    await Promise.all([storage.check(), storage.check()]);
  });
}
