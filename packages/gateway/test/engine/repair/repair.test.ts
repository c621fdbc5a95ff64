import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../../src/tasks/task.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import { readAll } from '../../support/http/readAll.ts';

/** An upstream that is never asked to forget a video. */
const KEEPS = ['askMany', 'find', 'cancel'] as const;

const flipped = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(bytes.length / 2) ^ 1, bytes.length / 2);
  return other;
};

const rowOf = async ({ store }: World, id = '') => {
  const row = await store.media(id);
  if (!row) throw new Error(`no media ${id}`);
  return row;
};

async function overwrite({ storage }: World, key: string, bytes: Buffer): Promise<void> {
  const write = await storage.write(key);
  await write.append(Readable.from([bytes]), 0);
  await write.commit();
}

/** A finished task, and its stored video as `change` makes it. */
async function damaged(world: World, change: (bytes: Buffer) => Buffer = flipped) {
  const task = await world.ends((await world.submit()).id);
  const row = await rowOf(world, task.result?.videoId);
  const bytes = await readAll(await world.storage.read(row.storageKey));
  await overwrite(world, row.storageKey, change(bytes));
  return { task, row, bytes };
}

const readVideo = async (world: World, { result }: Task) =>
  readAll(await world.engine.mediaScrub.media.read(await rowOf(world, result?.videoId)));

/** Lets time pass until it is so. */
const becomes = (world: World, check: () => Promise<void>) =>
  eventually(async () => {
    await world.advance(60_000);
    await check();
  });

describe('a stored video whose bytes have changed', () => {
  it.each([
    ['a byte of it', flipped],
    ['half of it', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ])('is fetched again by whoever notices: %s', async (_what, change) => {
    const world = await createWorld();
    const { task, row, bytes } = await damaged(world, change);
    await expect(readVideo(world, task)).rejects.toMatchObject({ code: 'media_damaged' });
    await eventually(async () => expect(await readVideo(world, task)).toEqual(bytes));

    const { state, storageKey, sha256, expiresAt } = await rowOf(world, row.id);
    expect({ state, sha256, expiresAt }).toEqual({
      state: 'present',
      sha256: row.sha256,
      expiresAt: row.expiresAt,
    });
    expect(storageKey).not.toBe(row.storageKey);
    await eventually(async () => expect(await world.storage.stat(row.storageKey)).toBeUndefined());
    const { version, ...rest } = await world.task(task.id);
    expect({ ...rest, version: version - 1 }).toEqual(task);
    expect(world.upstream.count('open')).toBe(2);
    await eventually(() => expect(world.engine.mediaScrub.repaired).toBe(1));
    expect(world.engine.mediaScrub.found).toBe(1);
  });

  it('is fetched by a new link where the old one has expired', async () => {
    const open = ['whole', { error: 'upstream_unavailable' }, 'whole'] as const;
    const world = await createWorld({ abilities: KEEPS, behaviour: () => ({ open }) });
    const { task, bytes } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(async () => expect(await readVideo(world, task)).toEqual(bytes));
  });

  it('is tried again, and fetched by the next process if this one ends before', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: ['whole', { breakAfter: 5000 }, 'whole'] }),
    });
    const { task, row, bytes } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(async () => expect((await rowOf(world, row.id)).state).toBe('damaged'));
    await eventually(() => expect(world.upstream.count('open')).toBe(2));
    const next = await world.restart();
    await becomes(next, async () => expect(await readVideo(next, task)).toEqual(bytes));
  });

  it('stays damaged where the upstream has it no more, and is not asked for again and again', async () => {
    const world = await createWorld({
      behaviour: () => ({ open: ['whole', { error: 'result_lost' }], answers: ['succeeded', 'missing'] }),
    });
    const { task, row } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(() => expect(world.upstream.count('open')).toBe(2));
    await world.advance(3_600_000);
    expect(world.upstream.count('open')).toBe(2);
    expect((await rowOf(world, row.id)).state).toBe('damaged');
    await expect(readVideo(world, task)).rejects.toMatchObject({ status: 502 });
  });

  it('is tried a few times where the upstream gives something else', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['whole', 'damaged'] }) });
    const { task, row } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await becomes(world, async () => expect(world.upstream.count('open')).toBe(7));
    await world.advance(7_200_000);
    expect(world.upstream.count('open')).toBe(7);
    expect((await rowOf(world, row.id)).state).toBe('damaged');
    expect(await Array.fromAsync(world.storage.list())).toHaveLength(2);
  });

  it('counts again once somebody has put its bytes back', async () => {
    const world = await createWorld({
      abilities: KEEPS,
      behaviour: () => ({ open: ['whole', { error: 'upstream_unavailable' }] }),
    });
    const { task, row, bytes } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(async () => expect((await rowOf(world, row.id)).state).toBe('damaged'));
    await overwrite(world, row.storageKey, bytes);
    await becomes(world, async () => expect(await readVideo(world, task)).toEqual(bytes));
    expect((await rowOf(world, row.id)).storageKey).toBe(row.storageKey);
  });

  it('is not brought back where its task is deleted meanwhile', async () => {
    const world = await createWorld();
    const { task, row } = await damaged(world);
    const open = world.provider.hold('open');
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(async () => expect((await rowOf(world, row.id)).state).toBe('damaged'));
    await world.engine.remove(await world.task(task.id));
    open.release();
    await becomes(world, async () => expect(await Array.fromAsync(world.storage.list())).toEqual([]));
    expect(await world.store.mediaOf(task.id)).toEqual([]);
  });

  it('is found though nobody reads it', async () => {
    const world = await createWorld({ settings: { scrubIntervalMs: 10_000 } });
    const { task, bytes, row } = await damaged(world);
    await world.advance(86_400_000);
    await becomes(world, async () => expect(world.engine.mediaScrub.repaired).toBe(1));
    expect((await rowOf(world, row.id)).storageKey).not.toBe(row.storageKey);
    expect(await readVideo(world, task)).toEqual(bytes);
  });
});

describe('a poster', () => {
  it('that could not be made is made later, from the stored video', async () => {
    let away = true;
    const world = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async poster(videoPath, use) {
            if (away) throw new Error('no descriptors');
            return inspector.poster(videoPath, use);
          },
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.result?.posterId).toBeUndefined();
    away = false;
    await becomes(world, async () => expect((await world.task(task.id)).result?.posterId).toBeDefined());
    const poster = await rowOf(world, (await world.task(task.id)).result?.posterId);
    expect(poster).toMatchObject({ kind: 'poster', state: 'present', expiresAt: task.result?.expiresAt });
    expect((await readAll(await world.engine.mediaScrub.media.read(poster))).length).toBe(poster.bytes);
    expect(world.upstream.count('open')).toBe(1);
  });
});
