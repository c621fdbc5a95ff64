import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { move } from '../../src/tasks/lifecycle.ts';
import { aTask } from '../support/builders.ts';
import { aNode, idsOf, LOOK, others, SEARCH, SPREAD } from '../support/nodes/owner.ts';

describe('tasks without a living driver', () => {
  it('are adopted at the start, however many there are, and then at every look', async () => {
    const batches = [others(100), others(100), others(3), [], others(2)];
    const asked: unknown[] = [];
    const node = await aNode({
      override: () => ({
        async adopt(...given) {
          asked.push(given);
          return batches.shift() ?? [];
        },
      }),
    });
    await node.ownership.start();
    expect(node.activeTasks.size).toBe(203);
    expect(node.lines).toMatchObject([{ event: 'ownership.adopted', tasks: 203, node: 'me' }]);
    expect(asked).toEqual([
      ['me', 100],
      ['me', 100],
      ['me', 100],
    ]);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(203);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(205);
    // A look that finds none says nothing.
    expect(node.logged()).toHaveLength(2);
  });

  it('become active in parts, so that many do not block the event loop', async () => {
    const batches = [others(100)];
    const node = await aNode({ override: () => ({ adopt: async () => batches.shift() ?? [] }) });
    const sizes = [0];
    const started = node.ownership.start();
    while (node.activeTasks.size < 100) {
      await nextTurn();
      sizes.push(node.activeTasks.size);
    }
    await started;
    const steps = sizes.slice(1).map((size, index) => size - (sizes[index] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(25);
  });

  it('are adopted only once by a node that will stay alone', async () => {
    const node = await aNode({ solo: true });
    await node.ownership.start();
    expect(node.ownership.leads()).toBe(true);
    await node.advance(SEARCH);
    expect([node.count('adopt'), node.count('owned'), node.count('loads')]).toEqual([1, 0, 0]);
  });

  it.each([
    ['the lease cannot be proved', 'freeze'],
    ['the node leaves', 'stop'],
  ])('are left to others from the moment when %s, in the middle of many', async (_what, how) => {
    let batches = 0;
    const node = await aNode({
      override: () => ({
        async adopt() {
          batches += 1;
          if (batches === 1) {
            if (how === 'stop') node.ownership.stop();
            else node.cluster.freeze();
          }
          return batches > 3 ? [] : others(100);
        },
      }),
    });
    await node.ownership.start();
    await node.advance(SEARCH);
    expect(batches).toBe(1);
    expect(node.activeTasks.size).toBe(0);
  });

  it('are not adopted by a rejoined node until no other node trusts its last lease', async () => {
    const node = await aNode();
    await node.ownership.start();
    node.cluster.lose();
    await node.advance(2000);
    const before = node.count('adopt');
    node.cluster.rejoin('me again');
    await node.advance(4500);
    expect(node.count('adopt')).toBe(before);
    await node.advance(1000);
    expect(node.count('adopt')).toBeGreaterThan(before);
  });

  it('are searched again after a failed look, and tasks that it adopted nevertheless are found', async () => {
    const node = await aNode({
      override: () => {
        let looks = 0;
        return {
          async adopt() {
            looks += 1;
            if (looks !== 2) return [];
            await node.accept(1);
            throw new Error('the answer is lost');
          },
        };
      },
    });
    await node.ownership.start();
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(0);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(1);
  });
});

describe('a resumed task', () => {
  it('belongs to this node, is unfinished and was not active', async () => {
    const [mine, theirs, over, held] = [
      aTask({ owner: 'me' }),
      aTask({ owner: 'another' }),
      aTask({ owner: 'me', phase: 'succeeded' }),
      aTask({ owner: 'me' }),
    ];
    const node = await aNode({ override: () => ({ adopt: async () => [mine, theirs, over, held] }) });
    const active = node.activeTasks.add(held);
    await node.ownership.start();
    expect(node.driven()).toEqual(idsOf([mine, held]));
    expect(node.activeTasks.get(held.id)).toBe(active);
  });

  it('that cannot be driven does not keep others from being resumed', async () => {
    const tasks = others(3);
    const node = await aNode({ override: () => ({ adopt: async () => tasks }) });
    node.undrivable.add(tasks[1]?.id ?? '');
    await node.ownership.start();
    expect(node.activeTasks.size).toBe(2);
    expect(node.lines).toMatchObject([{ event: 'task.resume_failed', task: tasks[1]?.id }, {}]);
    expect([...node.activeTasks].map(({ writeUnknown }) => writeUnknown)).toEqual([false, false]);
  });
});

describe('this node’s tasks that are not active', () => {
  it('are found at the start, however many there are, and every thirty seconds', async () => {
    const node = await aNode();
    await node.accept(501);
    await node.ownership.start();
    // Each task is read once.
    expect([node.activeTasks.size, node.count('owned')]).toEqual([501, 2]);
    await node.accept(1);
    await node.advance(SEARCH - LOOK);
    expect(node.activeTasks.size).toBe(501);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(502);
  });

  it('are skipped while they are about to become active', async () => {
    const node = await aNode();
    await node.ownership.start();
    const [task] = await node.accept(1);
    const done = Promise.withResolvers<void>();
    const work = node.ownership.during(task?.id ?? '', () => done.promise);
    await node.advance(SEARCH);
    expect(node.count('owned')).toBe(2);
    expect(node.activeTasks.size).toBe(0);
    done.resolve();
    await work;
    await node.advance(SEARCH);
    expect(node.activeTasks.size).toBe(1);
  });

  it('are found at the next look if they could not be driven', async () => {
    const node = await aNode();
    await node.ownership.start();
    const [task] = await node.accept(1);
    const failing = node.ownership.during(task?.id ?? '', async () => {
      throw new Error('the answer is lost');
    });
    await expect(failing).rejects.toThrow('lost');
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(1);
  });

  it('are read again, because they may have ended between two reads', async () => {
    const node = await aNode({
      override: (store) => ({
        async owned(...given) {
          const owned = await store.owned(...given);
          for (const task of owned) {
            const failed = move(task, { type: 'failed', outcome: 'expired', error: EXPIRED }, 0);
            if (failed) await store.commit(failed);
          }
          return owned;
        },
      }),
    });
    await node.accept(1);
    await node.ownership.start();
    expect(node.activeTasks.size).toBe(0);
  });

  it('are not searched for without a lease, and are found with the next one', async () => {
    const node = await aNode();
    await node.ownership.start();
    node.cluster.lose();
    const before = node.count('owned');
    await node.advance(SEARCH);
    expect(node.count('owned')).toBe(before);
    await node.accept(1, 'me again');
    node.cluster.rejoin('me again');
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(1);
  });
});

const EXPIRED = { code: 504, reason: 'expired', message: 'expired' } as const;

describe('the search for tasks that are not active', () => {
  it('reads no active task again', async () => {
    const node = await aNode();
    await node.drive(2);
    await node.ownership.start();
    await node.advance(SEARCH);
    expect([node.count('owned'), node.count('tasks')]).toEqual([2, 0]);
  });

  it('ends with the lease, in the middle of many', async () => {
    const node: Awaited<ReturnType<typeof aNode>> = await aNode({
      override: (store) => ({
        async owned(...given) {
          const owned = await store.owned(...given);
          if (owned.length > 0) node.cluster.freeze();
          return owned;
        },
      }),
    });
    await node.accept(501);
    await node.ownership.start();
    expect([node.count('owned'), node.driven().size]).toEqual([1, 0]);
  });
});

describe('a task that was accepted under the previous lease', () => {
  it('is not driven before it is known to be stored, although it is adopted in the meantime', async () => {
    const [task] = others(1);
    let looks = 0;
    const node = await aNode({
      override: () => ({ adopt: async () => (++looks === 2 && task ? [task] : []) }),
    });
    await node.ownership.start();
    const accepted = Promise.withResolvers<void>();
    const work = node.ownership.during(task?.id ?? '', () => accepted.promise);
    await node.advance(LOOK);
    expect([looks, node.driven().size]).toEqual([2, 0]);
    accepted.resolve();
    await work;
  });
});

describe('a node that lost its lease', () => {
  it('releases everything, and no longer leads', async () => {
    const node = await aNode();
    await node.ownership.start();
    await node.drive(3);
    expect(node.ownership.leads()).toBe(true);
    node.cluster.lose();
    expect(node.activeTasks.size).toBe(0);
    node.cluster.rejoin('me again');
    expect(node.ownership.leads()).toBe(false);
    await node.advance(SPREAD);
    expect(node.ownership.leads()).toBe(true);
    expect(node.alone()).toBe(2);
  });
});

describe('leader-only work', () => {
  it('is done by the first node, and not while its lease is uncertain', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'another'];
    await node.ownership.start();
    expect(node.ownership.leads()).toBe(true);
    node.cluster.freeze();
    expect(node.ownership.leads()).toBe(false);
    node.cluster.freeze(false);
    expect(node.ownership.leads()).toBe(true);
  });

  it('moves to another node once the first one is gone, and begins once', async () => {
    const node = await aNode();
    node.cluster.living = ['first', 'me', 'third'];
    await node.ownership.start();
    await node.advance(SPREAD);
    expect([node.ownership.leads(), node.alone()]).toEqual([false, 0]);
    node.cluster.living = ['first', 'me'];
    await node.advance(SPREAD);
    expect([node.ownership.leads(), node.alone()]).toEqual([false, 0]);
    node.cluster.living = ['me', 'fourth'];
    await node.advance(SPREAD);
    expect([node.ownership.leads(), node.alone()]).toEqual([true, 1]);
    await node.advance(2 * SPREAD);
    expect(node.alone()).toBe(1);
  });

  it('begins again if a node is gone that may have been at it, and not if one joins', async () => {
    const node = await aNode();
    await node.ownership.start();
    expect(node.alone()).toBe(1);
    node.cluster.living = ['me', 'second'];
    await node.advance(SPREAD);
    expect(node.alone()).toBe(1);
    node.cluster.living = ['me'];
    await node.advance(SPREAD);
    expect(node.alone()).toBe(2);
  });

  it('is not begun by a node that shuts down', async () => {
    const members = Promise.withResolvers<readonly string[]>();
    const node = await aNode();
    node.cluster.living = ['first', 'me'];
    await node.ownership.start();
    node.cluster.members = () => members.promise;
    await node.advance(SPREAD);
    node.ownership.stop();
    members.resolve(['me', 'third']);
    await node.settle();
    expect([node.alone(), node.count('loads')]).toEqual([0, 0]);
  });
});
