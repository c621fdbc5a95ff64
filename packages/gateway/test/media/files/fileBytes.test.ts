import { createHash, randomBytes } from 'node:crypto';
import { open, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createBlockBuffers } from '../../../src/media/files/blockBuffers.ts';
import { FileBytes } from '../../../src/media/files/fileBytes.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { createVerifiedMedia } from '../../../src/media/verified.ts';
import { later, momentAt } from '../../../src/time/clock.ts';
import { readAll } from '../../support/http/readAll.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { put } from '../storageContract.ts';

const KEY = 'video/1.mp4';
const RIGHT = randomBytes(600_000);
const WRONG = randomBytes(RIGHT.length);
const ROW = {
  id: '1',
  storageKey: KEY,
  state: 'present',
  bytes: RIGHT.length,
  sha256: createHash('sha256').update(RIGHT).digest('hex'),
} as const;
const HOUR_MS = 3_600_000;

async function blocksOf(source: FileBytes): Promise<Buffer> {
  const blocks: Buffer[] = [];
  for await (const block of source.blocks()) blocks.push(Buffer.from(block));
  return Buffer.concat(blocks);
}

/** Stored media whose file has the bytes and the version that the test says. */
async function world() {
  const root = await tempFolder();
  const files = createFileStorage({ root });
  await put(files, KEY, RIGHT);
  const buffers = createBlockBuffers();
  const w = {
    version: 'v1' as string | undefined,
    versionNow: undefined as string | undefined,
    bytes: RIGHT,
    now: momentAt(0),
  };
  const media = createVerifiedMedia({
    storage: {
      ...files,
      async read() {
        const path = join(root, 'given');
        await writeFile(path, w.bytes);
        const file = await open(path);
        const { version } = w;
        return new FileBytes({
          ...{ file, start: 0, end: RIGHT.length, buffers, version },
          versionNow: async () => w.versionNow ?? w.version,
        });
      },
    },
    damaged: () => undefined,
    log: { warn: () => undefined },
    clock: { monotonic: () => w.now },
  });
  const read = async () => (await readAll(await media.read(ROW))).equals(w.bytes);
  return Object.assign(w, { read });
}

const isDamaged = expect.objectContaining({ code: 'media_damaged' });

it('is hashed again after an hour, or once it was changed, and otherwise counts as checked', async () => {
  const w = await world();
  expect(await w.read()).toBe(true);
  // No file changes without another version; this one shows what is hashed.
  w.bytes = WRONG;
  expect(await w.read()).toBe(true);
  w.now = later(w.now, HOUR_MS - 1);
  expect(await w.read()).toBe(true);
  w.now = later(w.now, 1);
  await expect(w.read()).rejects.toEqual(isDamaged);
});

it('that was changed while it was sent fails before its last piece, also without being hashed', async () => {
  const w = await world();
  expect(await w.read()).toBe(true);
  w.versionNow = 'v2';
  await expect(w.read()).rejects.toEqual(isDamaged);
});

it.each([['v2'], [undefined]])('does not count as checked with another version, %s', async (version) => {
  const w = await world();
  expect(await w.read()).toBe(true);
  Object.assign(w, { version, bytes: WRONG });
  await expect(w.read()).rejects.toEqual(isDamaged);
});

it('never counts as checked while its version is unknown', async () => {
  const w = await world();
  w.version = undefined;
  expect(await w.read()).toBe(true);
  w.bytes = WRONG;
  await expect(w.read()).rejects.toEqual(isDamaged);
});

it('has a version once its last change is a second old, and another one after the next', async () => {
  const root = await tempFolder();
  const clock = { now: () => Date.now() };
  const storage = createFileStorage({ root, clock });
  await put(storage, KEY, RIGHT);
  const versionOf = async () => {
    const source = (await storage.read(KEY)) as FileBytes;
    source.destroy();
    return source.version;
  };
  expect(await versionOf()).toBeUndefined();
  clock.now = () => Date.now() + 2000;
  const version = await versionOf();
  expect(version).toBeTypeOf('string');
  expect(await versionOf()).toBe(version);
  // Whoever sets the time of the last change changes another one, which cannot be set.
  await utimes(join(root, KEY), new Date(0), new Date(0));
  expect(await versionOf()).not.toBe(version);
  clock.now = () => 0;
  expect(await versionOf()).toBeUndefined();
});

it('fails at once if the file is shorter or longer, and at the end if it is cut meanwhile', async () => {
  const root = await tempFolder();
  const storage = createFileStorage({ root });
  await put(storage, KEY, RIGHT);
  const opened = async (bytes: number) => {
    const source = (await storage.read(KEY)) as FileBytes;
    source.expect(
      { bytes },
      (problem) => new Error(problem),
      () => undefined,
    );
    return source;
  };
  for (const length of [RIGHT.length - 1, RIGHT.length + 1]) {
    await expect(blocksOf(await opened(length))).rejects.toThrow('length');
    await expect(readAll(await opened(length))).rejects.toThrow('length');
  }
  expect((await blocksOf(await opened(RIGHT.length))).equals(RIGHT)).toBe(true);
  const source = await opened(RIGHT.length);
  const blocks = source.blocks();
  expect((await blocks.next()).done).toBe(false);
  await writeFile(join(root, KEY), RIGHT.subarray(0, 300_000));
  const rest = (async () => {
    for await (const _block of blocks);
  })();
  await expect(rest).rejects.toThrow('length');
  expect(source.destroyed).toBe(true);
});
