import { describe, expect, it } from 'vitest';
import type { EngineSettings } from '../../../src/engine/parts.ts';
import { StoreUnavailable } from '../../../src/store/errors.ts';
import type { Store } from '../../../src/store/store.ts';
import { aKey } from '../../support/builders.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';

const HOUR = 3_600_000;
const SWEEP = 120_000;

/** A world in which videos and events are kept for an hour, and tasks for three. */
const worldOf = (
  settings: Partial<EngineSettings> = {},
  store: (store: Store) => Partial<Store> = () => ({}),
) =>
  createWorld({
    settings: { retentionMs: HOUR, eventRetentionMs: HOUR, taskRetentionMs: 3 * HOUR, ...settings },
    parts: (parts) => ({ store: { ...parts.store, ...store(parts.store) } }),
  });

async function ended(world: World, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await world.submit(`boat ${n}`)).id);
  for (const id of ids) await world.ends(id);
  return ids;
}

const exist = async ({ store }: World, ids: readonly string[]) =>
  [...(await store.versions(ids)).keys()].toSorted();

describe('tasks that ended long ago', () => {
  it('are removed once they were kept for long enough, in batches, and are unknown then', async () => {
    const world = await worldOf();
    const old = await ended(world, 60);
    await world.advance(2 * HOUR);
    const [young = ''] = await ended(world, 1);
    expect(await exist(world, [...old, young])).toHaveLength(61);
    const invalidated: unknown[] = [];
    world.feed.onInvalidate((id) => invalidated.push(id));
    await world.advance(HOUR + SWEEP);
    expect(await exist(world, [...old, young])).toEqual([young]);
    expect(await world.engine.read(old[0] ?? '')).toBeUndefined();
    // No cache answers for them any more.
    expect(invalidated).toEqual(expect.arrayContaining([...old]));
    expect(await world.ledger(old[0] ?? '')).toEqual({});
    expect(await world.ledger(young)).not.toEqual({});
  });

  it('are kept for ever by default', async () => {
    const world = await worldOf({ taskRetentionMs: 0 });
    const old = await ended(world, 3);
    await world.advance(24 * HOUR);
    expect(await exist(world, old)).toEqual(old.toSorted());
    expect(await world.ledger(old[0] ?? '')).not.toEqual({});
  });

  it('are removed although one of them cannot be, which is tried again later', async () => {
    let stuck: string | undefined;
    const tried: (readonly string[])[] = [];
    const world = await worldOf({}, (store) => ({
      async removeTasks(old) {
        tried.push(old.ids);
        if (stuck !== undefined && old.ids.includes(stuck)) throw new Error('no');
        return await store.removeTasks(old);
      },
    }));
    const old = await ended(world, 60);
    stuck = old[3];
    await world.advance(3 * HOUR + SWEEP);
    expect(await exist(world, old)).toEqual([stuck]);
    tried.length = 0;
    stuck = undefined;
    await world.advance(HOUR + SWEEP);
    expect(await exist(world, old)).toEqual([]);
  });

  it('wait while the store is down, and none is tried alone', async () => {
    let down = false;
    const sizes: number[] = [];
    const world = await worldOf({}, (store) => ({
      async removeTasks(old) {
        sizes.push(old.ids.length);
        if (down) throw new StoreUnavailable('down', 1);
        return await store.removeTasks(old);
      },
      async check() {
        if (down) throw new StoreUnavailable('down', 1);
      },
    }));
    const old = await ended(world, 10);
    await world.advance(3 * HOUR - SWEEP);
    down = true;
    sizes.length = 0;
    await world.advance(2 * SWEEP);
    expect([await exist(world, old), sizes.filter((size) => size > 1).length > 0]).toEqual([
      old.toSorted(),
      true,
    ]);
    // Of each batch, one was tried alone before the sweep found that the store is down.
    expect(sizes.filter((size) => size === 1).length).toBeLessThanOrEqual(sizes.length / 2);
    down = false;
    await world.advance(SWEEP);
    expect(await exist(world, old)).toEqual([]);
  });

  it('are found although the time of one before them cannot be read', async () => {
    const world = await worldOf({}, (store) => ({
      async tasksAfter(after, limit) {
        const page = await store.tasksAfter(after, limit);
        return page.map((task, n) => (n === 0 ? { ...task, createdAt: Number.NaN } : task));
      },
    }));
    const old = await ended(world, 3);
    await world.advance(3 * HOUR + SWEEP);
    expect(await exist(world, old)).toEqual([]);
  });
});

describe('ledger rows', () => {
  it('become sums after their time, while the task stays', async () => {
    const world = await worldOf({ taskRetentionMs: 0, ledgerRetentionMs: 2 * HOUR });
    const [id = ''] = await ended(world, 1);
    await world.advance(2 * HOUR - SWEEP);
    expect(await world.ledger(id)).not.toEqual({});
    const [young = ''] = await ended(world, 1);
    await world.advance(2 * SWEEP);
    expect(await world.ledger(id)).toEqual({});
    expect((await world.task(id)).phase).toBe('succeeded');
    expect(await world.ledger(young)).not.toEqual({});
  });
});

it('the audit log loses what is old, and by default nothing', async () => {
  const gone = await Promise.all(
    [0, 2 * HOUR].map(async (auditRetentionMs) => {
      const removed: number[] = [];
      const world = await worldOf({ auditRetentionMs }, (store) => ({
        async removeAudit(...given) {
          const count = await store.removeAudit(...given);
          removed.push(count);
          return count;
        },
      }));
      const entry = { actor: 'cli', action: 'key.created', subject: 'key' };
      await world.store.putKey(aKey(), { at: world.timers.now(), ...entry });
      await world.advance(HOUR);
      expect(removed.filter((count) => count > 0)).toEqual([]);
      await world.advance(HOUR + SWEEP);
      return removed.reduce((sum, count) => sum + count, 0);
    }),
  );
  // The entries of the key and of its project.
  expect(gone).toEqual([0, 2]);
});
