import { describe, expect, it } from 'vitest';
import { aMediaRow } from '../../support/builders.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';

/** The rows and bytes that are left of a task's media. */
async function leftOf(world: World, id: string) {
  const rows = await world.store.mediaOf(id);
  const bytes = [];
  for (const { storageKey } of rows) if (await world.storage.stat(storageKey)) bytes.push(storageKey);
  return { rows: rows.length, bytes: bytes.length };
}

/** A storage and a store that record the order in which bytes and rows of media are removed. */
function inOrder(order: string[]): NonNullable<WorldOptions['parts']> {
  return ({ storage, store }) => ({
    storage: {
      ...storage,
      async remove(key) {
        await storage.remove(key);
        order.push('bytes');
      },
    },
    store: {
      ...store,
      removeMedia(ids) {
        order.push(...ids.map(() => 'row'));
        return store.removeMedia(ids);
      },
    },
  });
}

describe('bytes are removed before their row, so that the sweep can continue after a crash,', () => {
  it('when a task is deleted', async () => {
    const order: string[] = [];
    const world = await createWorld({ parts: inOrder(order) });
    await world.engine.remove(await world.ends((await world.submit()).id));
    expect(order).toEqual(['bytes', 'bytes', 'row', 'row']);
  });

  it('when their retention has ended', async () => {
    const order: string[] = [];
    const world = await createWorld({ parts: inOrder(order) });
    await world.store.putMedia([1, 2].map(() => aMediaRow({ expiresAt: world.timers.now() })));
    await world.advance(61_000);
    expect(order).toEqual(['bytes', 'bytes', 'row', 'row']);
  });
});

it('and the row stays as long as its bytes cannot be removed', async () => {
  let broken = true;
  const world = await createWorld({
    parts: ({ storage }) => ({
      storage: {
        ...storage,
        async remove(key) {
          if (broken) throw new Error('the storage is away');
          await storage.remove(key);
        },
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  await expect(world.engine.remove(task)).rejects.toThrow('the storage is away');
  expect(await leftOf(world, task.id)).toEqual({ rows: 2, bytes: 2 });
  await world.advance(61_000);
  expect(await leftOf(world, task.id)).toEqual({ rows: 2, bytes: 2 });
  broken = false;
  await world.advance(61_000);
  expect(await leftOf(world, task.id)).toEqual({ rows: 0, bytes: 0 });
});

describe('deleting a task', () => {
  it('erases its prompt, video and poster, and keeps its ledger', async () => {
    const world = await createWorld();
    const task = await world.ends((await world.submit('a secret')).id);
    const video = await world.store.media(task.result?.videoId ?? '');
    expect(await leftOf(world, task.id)).toEqual({ rows: 2, bytes: 2 });
    await world.engine.remove(task);
    expect(await leftOf(world, task.id)).toEqual({ rows: 0, bytes: 0 });
    expect(await world.storage.stat(video?.storageKey ?? '')).toBeUndefined();
    expect(JSON.stringify(await world.task(task.id))).not.toContain('a secret');
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, capture: 400_000 });
  });

  it('erases its inputs', async () => {
    const world = await createWorld();
    const input = aMediaRow({ kind: 'input', storageKey: 'input/one.png', state: 'pending' });
    const task = await world.submit('with an image', { media: [input] });
    expect(await world.store.mediaOf(task.id)).toMatchObject([{ id: input.id, state: 'present' }]);
    await world.engine.remove(await world.ends(task.id));
    expect(await world.store.media(input.id)).toBeUndefined();
  });

  it('is completed by the sweep after an interruption', async () => {
    let broken = true;
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          async remove(key) {
            if (broken) throw new Error('the storage is away');
            await storage.remove(key);
          },
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    await expect(world.engine.remove(task)).rejects.toThrow('the storage is away');
    broken = false;
    await world.advance(120_000);
    expect(await leftOf(world, task.id)).toEqual({ rows: 0, bytes: 0 });
  });

  it('is refused while the task is unfinished', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['in_progress'] }) });
    const task = await world.submit();
    await expect(world.engine.remove(task)).rejects.toMatchObject({ code: 'wrong_state', status: 409 });
  });

  it('twice is harmless', async () => {
    const world = await createWorld();
    const task = await world.ends((await world.submit()).id);
    await world.engine.remove(task);
    await world.engine.remove(await world.task(task.id));
    await world.engine.remove(task);
    expect((await world.task(task.id)).version).toBe(task.version + 1);
  });
});

describe('the sweep', () => {
  it('removes videos and posters after their retention, and not earlier', async () => {
    const world = await createWorld({ settings: { retentionMs: 3_600_000 } });
    const task = await world.ends((await world.submit()).id);
    const expiresAt = task.result?.expiresAt ?? 0;
    await world.advance(expiresAt - world.timers.now() - 1);
    expect(await leftOf(world, task.id)).toEqual({ rows: 2, bytes: 2 });
    await world.advance(120_000);
    expect(await leftOf(world, task.id)).toEqual({ rows: 0, bytes: 0 });
    expect((await world.task(task.id)).phase).toBe('succeeded');
  });

  it('removes pending media of a crash once no task can still work on them', async () => {
    const world = await createWorld();
    const row = aMediaRow({ state: 'pending', storageKey: 'input/left.png', createdAt: world.timers.now() });
    await world.store.putMedia([row]);
    await world.advance(86_300_000);
    expect(await world.store.media(row.id)).toBeDefined();
    await world.advance(200_000);
    expect(await world.store.media(row.id)).toBeUndefined();
  });

  it('continues after rows that cannot be removed, however many there are', async () => {
    const world = await createWorld({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          async remove(key) {
            if (key.startsWith('stuck/')) throw new Error('refused');
            await storage.remove(key);
          },
        },
      }),
    });
    const expiresAt = world.timers.now();
    const stuck = Array.from({ length: 150 }, (_, n) =>
      aMediaRow({ expiresAt, storageKey: `stuck/${n}.mp4` }),
    );
    const rows = Array.from({ length: 150 }, () => aMediaRow({ expiresAt }));
    await world.store.putMedia(stuck);
    await world.store.putMedia(rows);
    await world.advance(130_000);
    const left = await world.store.sweepable(world.timers.now(), 0, 1000);
    expect(left.map(({ id }) => id).sort()).toEqual(stuck.map(({ id }) => id).sort());
  });

  it('removes more than one batch', async () => {
    const world = await createWorld();
    const rows = Array.from({ length: 250 }, () => aMediaRow({ expiresAt: world.timers.now() }));
    await world.store.putMedia(rows);
    await world.advance(61_000);
    expect(await world.store.sweepable(world.timers.now(), 0, 1000)).toEqual([]);
  });
});
