import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import { aMediaRow, anAcceptance, aTask } from '../../support/builders.ts';
import { createWorld, type WorldOptions } from '../../support/engineWorld.ts';
import { createManualCluster } from '../../support/manualCluster.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The time until a node knows which node leads. */
const LOOKED = 2000;

/** A node beside one that joined earlier and therefore leads, with counts of its leader-only calls. */
async function follower(options: WorldOptions = {}) {
  const cluster = createManualCluster();
  cluster.living = ['first', 'node-1'];
  const asked = { expired: 0, old: 0, late: 0, toRepair: 0, toCheck: 0, objects: 0, leftovers: 0 };
  const world = await createWorld({
    ...options,
    settings: { scrubIntervalMs: 10 * MINUTE, taskRetentionMs: 24 * HOUR, ...options.settings },
    parts(parts) {
      const { store, storage } = parts;
      const counted: ReturnType<NonNullable<WorldOptions['parts']>> = {
        cluster,
        store: {
          ...store,
          adopt: async () => [],
          sweepable(...given) {
            asked.expired += 1;
            return store.sweepable(...given);
          },
          tasksAfter(...given) {
            asked.old += 1;
            return store.tasksAfter(...given);
          },
          expiredSince(...given) {
            asked.late += 1;
            return store.expiredSince(...given);
          },
          mediaToRepair(...given) {
            asked.toRepair += 1;
            return store.mediaToRepair(...given);
          },
          mediaToCheck(...given) {
            asked.toCheck += 1;
            return store.mediaToCheck(...given);
          },
        },
        storage: {
          ...storage,
          async *list() {
            asked.objects += 1;
            // The files have today's date; the world's clock has another.
            for await (const object of storage.list()) yield { ...object, modifiedAt: 0 };
          },
          removeLeftovers(...given) {
            asked.leftovers += 1;
            return storage.removeLeftovers(...given);
          },
        },
      };
      return { ...counted, ...options.parts?.({ ...parts, ...counted }) };
    },
  });
  return {
    world,
    cluster,
    asked,
    async leads() {
      cluster.living = ['node-1'];
      await world.advance(LOOKED);
    },
  };
}

/** What happens to a task that expires while its job is still running. */
const LATE: readonly Event[] = [
  { type: 'submit_intended', accountId: 'one', idempotencyKey: 'f'.repeat(32), upstreamModel: 'm' },
  { type: 'submit_confirmed', upstreamId: 'one-1', working: true },
  {
    type: 'failed',
    outcome: 'expired',
    error: { code: 504, reason: 'expired', message: 'The task expired.' },
  },
];

/** Inputs whose retention has ended. */
const expired = (count: number) =>
  Array.from({ length: count }, () => {
    const id = newId();
    return aMediaRow({ id, kind: 'input', storageKey: `input/${id}.png`, expiresAt: 1 });
  });

describe('a node that does not lead', () => {
  it('does no cleanup, repair or follow-up for the cluster, only on its own disk; it starts with them when it leads', async () => {
    const { world, asked, leads } = await follower();
    await world.advance(HOUR + 2 * MINUTE);
    expect(asked).toEqual({
      expired: 0,
      old: 0,
      late: 0,
      toRepair: 0,
      toCheck: 0,
      objects: 0,
      leftovers: 1,
    });
    await leads();
    expect(asked.late).toBe(1);
    await world.advance(11 * MINUTE);
    expect(asked.expired).toBeGreaterThanOrEqual(10);
    expect(asked.old).toBeGreaterThanOrEqual(10);
    expect(asked.toRepair).toBeGreaterThanOrEqual(10);
    expect(asked.toCheck).toBe(1);
    expect(asked.late).toBe(1);
  });

  it('leaves videos past their retention to the leader', async () => {
    const { world, leads } = await follower({ settings: { retentionMs: MINUTE } });
    const { id } = await world.ends((await world.submit()).id);
    await world.advance(10 * MINUTE);
    expect(await world.store.mediaOf(id)).toHaveLength(2);
    await leads();
    await world.advance(MINUTE);
    expect(await world.store.mediaOf(id)).toEqual([]);
    expect(await Array.fromAsync(world.storage.list())).toEqual([]);
  });

  it('leaves jobs of expired tasks to the leader, and follows them once it leads', async () => {
    const { world, leads } = await follower({ abilities: [] });
    const task = aTask({ owner: 'first' });
    await world.store.accept(anAcceptance(task));
    for (const event of LATE) {
      const stored = await world.task(task.id);
      const next = move(stored, event, world.timers.now());
      expect(next && (await world.store.commit(next))).toBe(true);
    }
    // A job of the previous leader, which has finished after all.
    world.upstream.record({
      call: 'submit',
      account: 'one',
      taskId: task.id,
      key: '',
      upstreamId: 'one-1',
      outcome: 'accepted',
    });
    await world.advance(5 * MINUTE);
    expect(world.upstream.count('poll')).toBe(0);
    expect((await world.task(task.id)).attempt?.outcome).toBe('expired');
    await leads();
    await world.advance(2 * MINUTE);
    expect((await world.task(task.id)).attempt?.outcome).toBe('late');
  });
});

describe('a leader that lost its lease', () => {
  it('stops all leader-only work at once', async () => {
    const { world, cluster, asked, leads } = await follower();
    await leads();
    await world.advance(2 * MINUTE);
    const before = { ...asked };
    expect(before.expired).toBeGreaterThan(0);
    cluster.freeze();
    await world.advance(HOUR);
    expect(asked).toEqual({ ...before, leftovers: 1 });
    cluster.freeze(false);
    await world.advance(2 * MINUTE);
    expect(asked.expired).toBeGreaterThan(before.expired);
  });

  it('stops in the middle of removing expired media', async () => {
    const { world, cluster, asked, leads } = await follower({
      parts: ({ store }) => ({
        store: {
          ...store,
          async removeMedia(ids) {
            await store.removeMedia(ids);
            cluster.freeze();
          },
        },
      }),
    });
    await world.store.accept(anAcceptance(aTask({ phase: 'accepted' }), { media: expired(250) }));
    await leads();
    await world.advance(MINUTE);
    expect(asked.expired).toBe(1);
    expect(await world.store.sweepable(world.timers.now(), 0, 1000)).toHaveLength(150);
    cluster.freeze(false);
    await world.advance(MINUTE);
    expect(await world.store.sweepable(world.timers.now(), 0, 1000)).toHaveLength(50);
  });

  it('stops in the middle of removing orphans', async () => {
    const listed = Promise.withResolvers<void>();
    const { world, cluster, leads } = await follower({
      parts: ({ storage }) => ({
        storage: {
          ...storage,
          async *list() {
            try {
              yield* storage.list();
            } finally {
              listed.resolve();
            }
          },
          async remove(key) {
            await storage.remove(key);
            cluster.freeze();
          },
        },
      }),
    });
    for (let n = 0; n < 150; n++) {
      const write = await world.storage.write(`video/${newId()}-1v.mp4`);
      await write.append(Readable.from([Buffer.from('bytes')]), 0);
      await write.commit();
    }
    await leads();
    await world.advance(HOUR);
    await listed.promise;
    await world.idle();
    expect(await Array.fromAsync(world.storage.list())).toHaveLength(50);
  });
});
