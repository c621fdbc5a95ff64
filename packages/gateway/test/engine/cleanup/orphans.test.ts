import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createOrphans } from '../../../src/engine/cleanup/orphans.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { anotherKey, mediaIdOf } from '../../../src/media/key.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { aMediaRow, START_OF_TIME } from '../../support/builders.ts';
import { createWorld } from '../../support/engineWorld.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const DAY = 86_400_000;

/** A storage with objects of any age, and a database that knows some of them. */
async function place() {
  const root = await tempFolder();
  const storage = { ...createFileStorage({ root }) };
  const known = new Set<string>();
  const keys = new Map<string, string>();
  const questions: number[] = [];
  const timers = createManualTimers(START_OF_TIME);
  const orphans = createOrphans({
    storage,
    store: {
      ...({} as Parameters<typeof createOrphans>[0]['store']),
      async mediaKeys(ids) {
        questions.push(ids.length);
        return new Map(ids.flatMap((id) => (known.has(id) ? [[id, keys.get(id) ?? '']] : [])));
      },
    },
    clock: timers,
    log: pino({ level: 'silent' }),
  });
  async function put(key: string, ageMs: number) {
    const write = await storage.write(key);
    keys.set(mediaIdOf(key), keys.get(mediaIdOf(key)) ?? key);
    await write.append(Readable.from([Buffer.from(key)]), 0);
    await write.commit();
    const time = (timers.now() - ageMs) / 1000;
    await utimes(join(root, key), time, time);
  }
  const left = async () => (await Array.fromAsync(storage.list())).map(({ key }) => key);
  return { orphans, storage, known, keys, questions, put, left };
}

describe('the orphan sweep', () => {
  it('removes only objects that the database does not know', async () => {
    const { orphans, known, put, left } = await place();
    const [a, b] = [newId(), newId()];
    known.add(a);
    await put(`input/${a}.png`, 2 * DAY);
    await put(`input/${b}.png`, 2 * DAY);
    await put(`video/${b}-1v.mp4`, 2 * DAY);
    expect(await orphans.sweep()).toBe(2);
    expect(await left()).toEqual([`input/${a}.png`]);
  });

  it('removes the previous object of a row whose bytes were written again, and keeps the current one', async () => {
    const { orphans, known, keys, put, left } = await place();
    const first = `video/${newId()}-1v.mp4`;
    const [second, third] = [anotherKey(first), anotherKey(first)];
    const id = mediaIdOf(first);
    expect([second, third].map(mediaIdOf)).toEqual([id, id]);
    known.add(id);
    keys.set(id, second);
    for (const key of [first, second, third]) await put(key, 2 * DAY);
    expect(await orphans.sweep()).toBe(2);
    expect(await left()).toEqual([second]);
  });

  it('keeps objects that are less than a day old', async () => {
    const { orphans, put, left } = await place();
    const keys = [`video/${newId()}-1v.mp4`, `video/${newId()}-1v.mp4`].sort();
    for (const key of keys) await put(key, DAY - 1000);
    expect(await orphans.sweep()).toBe(0);
    expect(await left()).toEqual(keys);
  });

  it('keeps objects with foreign names', async () => {
    const { orphans, put, left } = await place();
    await put('video/holiday.mp4', 100 * DAY);
    await put('video/installation.json', 100 * DAY);
    expect(await orphans.sweep()).toBe(0);
    expect(await left()).toHaveLength(2);
  });

  it('keeps the object of a row whose storage key is damaged', async () => {
    const { orphans, known, keys, put, left } = await place();
    const id = newId();
    known.add(id);
    keys.set(id, '../elsewhere');
    await put(`input/${id}.png`, 2 * DAY);
    expect(await orphans.sweep()).toBe(0);
    expect(await left()).toHaveLength(1);
  });

  it('continues after an object that cannot be removed', async () => {
    const { orphans, put, left, storage } = await place();
    const keys = [1, 2, 3].map(() => `video/${newId()}-1v.mp4`);
    for (const key of keys) await put(key, 2 * DAY);
    const [stuck = ''] = await left();
    const { remove } = storage;
    storage.remove = async (key) => {
      if (key === stuck) throw new Error('it is held');
      await remove(key);
    };
    expect(await orphans.sweep()).toBe(2);
    expect(await left()).toEqual([stuck]);
  });

  it('queries the database for many objects in small batches', async () => {
    const { orphans, questions, put, left } = await place();
    for (let n = 0; n < 250; n++) await put(`video/${newId()}-1v.mp4`, 2 * DAY);
    expect(await orphans.sweep()).toBe(250);
    expect(questions).toEqual([100, 100, 50]);
    expect(await left()).toEqual([]);
  });

  it('stops in the middle when the gateway stops or no longer leads', async () => {
    const { orphans, put, left } = await place();
    for (let n = 0; n < 150; n++) await put(`video/${newId()}-1v.mp4`, 2 * DAY);
    expect(await orphans.sweep(() => true)).toBe(0);
    let seen = 0;
    expect(await orphans.sweep(() => ++seen > 120)).toBe(100);
    expect(await left()).toHaveLength(50);
  });

  it('keeps only the staged files of unfinished tasks; other old files are removed', async () => {
    const world = await createWorld({ behaviour: () => ({ open: [{ breakAfter: 5000 }] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const stage = async (key: string) =>
      (await world.storage.write(key)).append(Readable.from([Buffer.from('bytes')]), 0);
    await stage(`video/${newId()}-1v.mp4`);
    await stage(`input/${newId()}.png`);
    const { store, storage } = world;
    const later = createManualTimers(Date.now() + 10 * DAY);
    const orphans = createOrphans({ store, storage, clock: later, log: pino({ level: 'silent' }) });
    expect(await orphans.leftovers()).toBe(2);
    expect((await storage.write(`video/${id.slice('video_'.length)}-1v.mp4`)).partial).toBe(5000);
  });

  it('runs by itself once a day, and removes no video of a task', async () => {
    // The files have today's date; the world's clock has another.
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          async *list() {
            for await (const object of storage.list()) yield { ...object, modifiedAt: 0 };
          },
        },
      }),
    });
    const { id, result } = await world.ends((await world.submit()).id);
    const orphan = aMediaRow();
    const write = await world.storage.write(`video/${orphan.id}.mp4`);
    await write.append(Readable.from([Buffer.from('bytes')]), 0);
    await write.commit();
    const keys = async () => (await Array.fromAsync(world.storage.list())).map(({ key }) => key);
    expect(await keys()).toHaveLength(3);

    await world.advance(3_600_000);
    await expect.poll(keys).toHaveLength(2);
    expect(await keys()).toEqual([`poster/${result?.posterId}.jpg`, `video/${result?.videoId}.mp4`]);
    expect((await world.task(id)).phase).toBe('succeeded');
  });
});
