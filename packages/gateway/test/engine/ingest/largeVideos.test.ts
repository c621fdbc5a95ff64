import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createDiskSpace } from '../../../src/media/diskSpace.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { videoLimitOf } from '../../../src/media/videoLimit.ts';
import type { OpenedResult } from '../../../src/providers/provider.ts';
import { createWorld } from '../../support/engineWorld.ts';
import { fakeVideo } from '../../support/fakeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const MIB = 2 ** 20;
const VIDEO = fakeVideo({ name: 'this one', duration: 4 });

/** An upstream with one result, which counts the requests and the bytes that were read. */
function upstreamGiving(make: (offset: number) => OpenedResult) {
  const seen = { asked: 0 };
  const provider = <P extends object>(recording: P) => ({
    ...recording,
    async open(_handle: unknown, _result: unknown, offset: number) {
      seen.asked += 1;
      return make(offset);
    },
  });
  return { seen, provider };
}

describe('a video above the size limit', () => {
  it.each<[string, (taken: { bytes: number }) => OpenedResult]>([
    ['has no end', (taken) => ({ stream: endless(taken), offset: 0 })],
    ['says so', (taken) => ({ stream: endless(taken), offset: 0, bytes: 100 * MIB })],
    ['declares less than it sends', (taken) => ({ stream: endless(taken), offset: 0, bytes: 1000 })],
  ])('fails its task without a charge and leaves nothing on the disk: one that %s', async (_what, make) => {
    const taken = { bytes: 0 };
    const { seen, provider } = upstreamGiving(() => make(taken));
    const root = await tempFolder();
    const world = await createWorld({
      provider,
      settings: { maxVideoBytes: MIB },
      parts: () => ({ storage: createFileStorage({ root }) }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({
      reason: 'result_lost',
      message: expect.stringMatching(/larger than/),
    });
    expect(task.attempt?.detail).toMatch(/ONETAKE_MAX_VIDEO_MB/);
    expect(await world.ledger(task.id)).toHaveProperty('release');
    expect(seen.asked).toBe(1);
    expect(taken.bytes).toBeLessThanOrEqual(2 * MIB);
    expect((await readdir(join(root, 'video'))).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('is measured by the request: the limit is far above what providers deliver and far below a disk', () => {
    expect(videoLimitOf({ duration: 4, width: 1280, height: 720 })).toBeGreaterThan(256 * MIB);
    expect(videoLimitOf({ duration: 20, width: 3840, height: 2160 })).toBeLessThan(2048 * MIB);
  });
});

describe('a full disk', () => {
  const spaceOf = (free: () => number) =>
    createDiskSpace({ folder: '/', reserveBytes: 100 * MIB, freeOn: async () => free() });

  it('makes a video wait, which is stored once there is space', async () => {
    let free = 120 * MIB;
    const { provider } = upstreamGiving((offset) => ({
      stream: Readable.from([VIDEO.subarray(offset)]),
      offset,
      bytes: VIDEO.length,
    }));
    const root = await tempFolder();
    const world = await createWorld({
      provider,
      parts: () => ({ storage: createFileStorage({ root, space: spaceOf(() => free) }) }),
    });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.advance(3_600_000);
    expect((await world.task(id)).phase).toBe('storing');
    free = 200 * MIB;
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('is checked again and again during a long download', async () => {
    let looks = 0;
    const storage = createFileStorage({
      root: await tempFolder(),
      space: spaceOf(() => (++looks > 2 ? 0 : 1000 * MIB)),
    });
    const taken = { bytes: 0 };
    const write = await storage.write('video/long.mp4');
    await expect(write.append(endless(taken), 0)).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringMatching(/0 MiB free.*ONETAKE_DISK_RESERVE_MB/),
    });
    expect(taken.bytes).toBeGreaterThan(100 * MIB);
    expect(taken.bytes).toBeLessThan(200 * MIB);
  });

  it('is reported by the readiness check', async () => {
    const storage = createFileStorage({ root: await tempFolder(), space: spaceOf(() => 99 * MIB) });
    await expect(storage.check()).rejects.toThrow('99 MiB free');
  });

  it('is measured on the disk itself', async () => {
    const space = createDiskSpace({ folder: await tempFolder(), reserveBytes: 0 });
    await expect(space.requireRoom(1)).resolves.toBeUndefined();
    await expect(space.requireRoom(Number.MAX_SAFE_INTEGER)).rejects.toThrow(/free some space/);
    expect(await space.freeBytes()).toBeGreaterThan(0);
  });
});

/** Endless bytes, which counts how many were read. */
function endless(taken: { bytes: number }): Readable {
  const piece = Buffer.alloc(256 * 1024, 7);
  return Readable.from(
    (function* () {
      for (;;) {
        taken.bytes += piece.length;
        yield piece;
      }
    })(),
  );
}
