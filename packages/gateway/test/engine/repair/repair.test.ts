import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { NativeJobError } from '../../../src/native/errors.ts';
import { move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aMediaRow } from '../../support/builders.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import { readAll } from '../../support/http/readAll.ts';

/** An upstream that is never asked to delete a video. */
const KEEPS = ['pollMany', 'find', 'cancel'] as const;

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

/** A finished task whose stored video was changed by `change`. */
async function damaged(world: World, change: (bytes: Buffer) => Buffer = flipped) {
  const task = await world.ends((await world.submit()).id);
  const row = await rowOf(world, task.result?.videoId);
  const bytes = await readAll(await world.storage.read(row.storageKey));
  await overwrite(world, row.storageKey, change(bytes));
  return { task, row, bytes };
}

const readVideo = async (world: World, { result }: Task) =>
  readAll(await world.engine.mediaScrub.media.read(await rowOf(world, result?.videoId)));

/** Lets time pass until the condition is true. */
const becomes = (world: World, check: () => Promise<void>) =>
  eventually(async () => {
    await world.advance(60_000);
    await check();
  });

describe('a stored video whose bytes have changed', () => {
  it.each([
    ['a byte of it', flipped],
    ['half of it', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ])('is downloaded again, whoever notices: %s', async (_what, change) => {
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

  it('is downloaded by a new link if the old one has expired', async () => {
    const open = ['whole', { error: 'upstream_unavailable' }, 'whole'] as const;
    const world = await createWorld({ abilities: KEEPS, behaviour: () => ({ open }) });
    const { task, bytes } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await eventually(async () => expect(await readVideo(world, task)).toEqual(bytes));
  });

  it('is retried, and downloaded by the next process if this one ends earlier', async () => {
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

  it('stays damaged if the upstream no longer has it, and is not requested again and again', async () => {
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

  it('is retried a few times if the upstream returns other bytes', async () => {
    const world = await createWorld({ behaviour: () => ({ open: ['whole', 'damaged'] }) });
    const { task, row } = await damaged(world);
    await expect(readVideo(world, task)).rejects.toThrow();
    await becomes(world, async () => expect(world.upstream.count('open')).toBe(7));
    await world.advance(7_200_000);
    expect(world.upstream.count('open')).toBe(7);
    expect((await rowOf(world, row.id)).state).toBe('damaged');
    expect(await Array.fromAsync(world.storage.list())).toHaveLength(2);
  });

  it('is accepted again once somebody has restored its bytes', async () => {
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

  it('is not restored if its task is deleted in the meantime', async () => {
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

  it('is found although nobody reads it', async () => {
    const world = await createWorld({ settings: { scrubIntervalMs: 10_000 } });
    const { task, bytes, row } = await damaged(world);
    await world.advance(86_400_000);
    await becomes(world, async () => expect(world.engine.mediaScrub.repaired).toBe(1));
    expect((await rowOf(world, row.id)).storageKey).not.toBe(row.storageKey);
    expect(await readVideo(world, task)).toEqual(bytes);
  });
});

describe('attempts to repair', () => {
  const DAY = 86_400_000;
  const noticed = async (world: World, task: Task) => {
    await expect(readVideo(world, task)).rejects.toThrow();
    const id = task.result?.videoId;
    await eventually(async () => expect((await rowOf(world, id)).state).toBe('damaged'));
  };

  it('are six, at doubling intervals, and one more a day later', async () => {
    const opened: number[] = [];
    const world: World = await createWorld({
      behaviour: () => ({ open: ['whole', 'damaged'] }),
      provider: (provider) => ({
        ...provider,
        open(...given) {
          opened.push(world.timers.trueTime());
          return provider.open(...given);
        },
      }),
    });
    const { task } = await damaged(world);
    await noticed(world, task);
    await becomes(world, async () => expect(opened).toHaveLength(7));
    const waits = opened.slice(2).map((at, index) => at - (opened[index + 1] ?? 0));
    // It looks once a minute, so an attempt may come that much later.
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(60_000 * 2 ** index);
      expect(wait).toBeLessThanOrEqual(60_000 * 2 ** index + 120_000);
    }
    await world.advance(DAY - 60_000 - (world.timers.trueTime() - (opened[6] ?? 0)));
    expect(opened).toHaveLength(7);
    await becomes(world, async () => expect(opened).toHaveLength(8));
    expect((opened[7] ?? 0) - (opened[6] ?? 0)).toBeGreaterThanOrEqual(DAY);
    await world.advance(DAY / 2);
    expect(opened).toHaveLength(8);
  });

  it('run two at a time', async () => {
    let underWay = 0;
    let most = 0;
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async open(...given) {
          underWay += 1;
          most = Math.max(most, underWay);
          return provider.open(...given).finally(() => {
            underWay -= 1;
          });
        },
      }),
    });
    const all: Task[] = [];
    for (let n = 0; n < 4; n++) all.push((await damaged(world)).task);
    most = 0;
    const held = world.provider.hold('open');
    for (const task of all) await noticed(world, task);
    await eventually(() => expect(underWay).toBe(2));
    held.release();
    await eventually(() => expect(world.engine.mediaScrub.repaired).toBe(4));
    expect(most).toBe(2);
  });

  it('stop with the gateway, and one in progress is left to the next process', async () => {
    const world = await createWorld();
    const { task, row, bytes } = await damaged(world);
    const before = world.upstream.count('open');
    world.provider.hold('open');
    await noticed(world, task);
    await world.engine.drain(10_000);
    expect((await rowOf(world, row.id)).state).toBe('damaged');
    expect(world.upstream.count('open')).toBe(before);
    const next = await world.restart();
    await becomes(next, async () => expect(await readVideo(next, task)).toEqual(bytes));
  });

  it('go through the rows in batches, and then start again', async () => {
    const asked: [number, string, number][] = [];
    let now = 0;
    const rows = (count: number) =>
      Array.from({ length: count }, (_, n) => aMediaRow({ id: `row-${n}`, taskId: 'none' }));
    const world = await createWorld({
      parts: ({ store, clock }) => ({
        store: {
          ...store,
          media: async () => undefined,
          async mediaToRepair(...given) {
            now = clock.now();
            asked.push(given);
            return rows(asked.length === 1 ? 100 : 99);
          },
        },
      }),
    });
    await world.advance(3 * 60_000);
    expect(asked.map(([, after, limit]) => [after, limit])).toEqual([
      ['', 100],
      ['row-99', 100],
      ['', 100],
    ]);
    expect(asked[2]?.[0]).toBe(now - 60_000);
    // Rows that are gone in the meantime need nothing.
    expect(world.engine.mediaScrub).toMatchObject({ found: 0, repaired: 0 });
  });
});

describe('checks of stored files', () => {
  const counting = async (settings: { scrubIntervalMs: number }) => {
    const checks: number[] = [];
    const world: World = await createWorld({
      settings,
      parts: ({ store, storage }) => ({
        // From memory, so that time does not move while a file is read.
        storage: {
          ...storage,
          read: async (...given) => Readable.from([await readAll(await storage.read(...given))]),
        },
        store: {
          ...store,
          markChecked(id, at) {
            checks.push(world.timers.trueTime());
            return store.markChecked(id, at);
          },
        },
      }),
    });
    await world.ends((await world.submit()).id);
    return { world, checks };
  };

  it('check each file once a day, one at a time', async () => {
    const { world, checks } = await counting({ scrubIntervalMs: 10_000 });
    await world.advance(23 * 3_600_000);
    expect(checks).toEqual([]);
    await world.advance(2 * 3_600_000);
    // The video and its poster.
    expect(checks).toHaveLength(2);
    expect((checks[1] ?? 0) - (checks[0] ?? 0)).toBe(10_000);
    await world.advance(21 * 3_600_000);
    expect(checks).toHaveLength(2);
    await world.advance(3 * 3_600_000);
    expect(checks).toHaveLength(4);
  });

  it('are not made if they are switched off', async () => {
    const { world, checks } = await counting({ scrubIntervalMs: 0 });
    await world.advance(72 * 3_600_000);
    expect(checks).toEqual([]);
  });
});

describe('a poster', () => {
  it.each([
    ['could not be made', () => new Error('no descriptors')],
    ['was not found to be possible', () => new NativeJobError('no frame')],
  ])('that %s is made later, from the stored video', async (_what, error) => {
    let away = true;
    const world = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async poster(videoPath, use) {
            if (away) throw error();
            return inspector.poster(videoPath, use);
          },
        },
      }),
    });
    const { id, result } = await world.ends((await world.submit()).id);
    const rows = await world.store.mediaOf(id);
    const posterId = rows.find(({ kind }) => kind === 'poster')?.id;
    expect((await rowOf(world, posterId)).state).toBe('pending');
    away = false;
    await becomes(world, async () => expect((await rowOf(world, posterId)).state).toBe('present'));
    const poster = await rowOf(world, (await world.task(id)).result?.posterId);
    expect(poster).toMatchObject({ id: posterId, kind: 'poster', expiresAt: result?.expiresAt });
    expect((await readAll(await world.engine.mediaScrub.media.read(poster))).length).toBe(poster.bytes);
    expect(world.upstream.count('open')).toBe(1);
    expect(world.engine.mediaScrub.repaired).toBe(0);
  });

  it('is made although its video is repaired at the same time', async () => {
    const world: World = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async poster(videoPath, use) {
            await inspector.poster(videoPath, use);
            const { id } = await world.task(world.upstream.records[0]?.taskId ?? '');
            const repaired = move(await world.task(id), { type: 'media_repaired', result: {} }, 0);
            if (repaired) await world.store.commit(repaired);
          },
        },
      }),
    });
    const { id } = await world.ends((await world.submit()).id);
    await world.idle();
    expect(await rowOf(world, (await world.task(id)).result?.posterId)).toMatchObject({ state: 'present' });
  });

  it('of a task that is deleted while it is made leaves nothing behind', async () => {
    const world: World = await createWorld({
      parts: ({ inspector }) => ({
        inspector: {
          ...inspector,
          async poster(videoPath, use) {
            await inspector.poster(videoPath, use);
            await world.engine.remove(await world.task(world.upstream.records[0]?.taskId ?? ''));
          },
        },
      }),
    });
    await world.ends((await world.submit()).id);
    await world.idle();
    expect(await Array.fromAsync(world.storage.list())).toEqual([]);
  });
});
