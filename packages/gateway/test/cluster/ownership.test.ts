import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { soloCluster } from '../../src/cluster/cluster.ts';
import { createOwnership } from '../../src/cluster/ownership.ts';
import { createActiveTasks } from '../../src/engine/activeTasks.ts';
import { createFeed } from '../../src/engine/events/feed.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { newTaskId } from '../../src/tasks/ids.ts';
import { move } from '../../src/tasks/lifecycle.ts';
import type { Task } from '../../src/tasks/task.ts';
import { anAcceptance, aTask } from '../support/builders.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { tempFolder } from '../support/tempFolder.ts';

const LOOK = 500;
const SPREAD = 4 * LOOK;
const SEARCH = 60 * LOOK;

type Override = (store: Store) => Partial<Store>;

/** What decides which tasks a node drives, over a real store and real active tasks; the other nodes are in the test's hands. */
async function aNode({ solo = false, override = () => ({}) }: { solo?: boolean; override?: Override } = {}) {
  const cluster = createManualCluster('me');
  const timers = createManualTimers();
  const opened = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => opened.close());
  const calls: (keyof Store)[] = [];
  // What is adopted is told by the database where there are others: none of the living ones' tasks.
  const changed: Store = { ...opened, adopt: async () => [], ...override(opened) };
  const store = new Proxy(changed, {
    get(from, name: keyof Store) {
      const member: unknown = from[name];
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => {
        calls.push(name);
        return member(...given);
      };
    },
  });
  const log = pino({ level: 'silent' });
  const activeTasks = createActiveTasks({
    store,
    feed: createFeed(),
    clock: timers,
    timers,
    log,
    changed: () => undefined,
  });
  const immovable = new Set<string>();
  const undrivable = new Set<string>();
  let alone = 0;
  const ownership = createOwnership({
    store,
    cluster: solo ? soloCluster('me') : cluster,
    timers,
    log,
    activeTasks,
    resume(task) {
      if (undrivable.has(task.id)) throw new Error('cannot be driven');
      activeTasks.take(task);
    },
    movable: ({ task }) => !immovable.has(task.id),
    release: (active) => activeTasks.release(active),
    becomeLeader() {
      alone += 1;
    },
  });
  onTestFinished(() => ownership.stop());

  const settle = async () => {
    for (let turns = 0; turns < 30; turns++) await turn();
  };
  const accept = async (count: number, owner = 'me'): Promise<readonly Task[]> => {
    const tasks = Array.from({ length: count }, () => aTask({ id: newTaskId(), owner }));
    await Promise.all(tasks.map((task) => opened.accept(anAcceptance(task))));
    return tasks;
  };
  return {
    ownership,
    cluster,
    store: opened,
    activeTasks,
    immovable,
    undrivable,
    settle,
    accept,
    count: (name: keyof Store) => calls.filter((call) => call === name).length,
    alone: () => alone,
    driven: () => new Set([...activeTasks].map(({ task }) => task.id)),
    /** Tasks that are accepted and driven here. */
    async drive(count: number) {
      const tasks = await accept(count);
      for (const task of tasks) activeTasks.take(task);
      return tasks;
    },
    loadOf: async (owner: string) => (await opened.loads()).get(owner) ?? 0,
    /** Lets time pass, look by look. */
    async advance(ms: number) {
      const until = timers.now() + ms;
      await settle();
      while (timers.now() < until) {
        timers.moveTo(Math.min(until, timers.now() + LOOK));
        await settle();
      }
    },
  };
}

const idsOf = (tasks: readonly Task[]) => new Set(tasks.map(({ id }) => id));
const others = (count: number): Task[] => Array.from({ length: count }, () => aTask({ owner: 'me' }));

describe('tasks without a living driver', () => {
  it('are adopted at the start, however many, and from then on at every look', async () => {
    const batches = [others(500), others(500), others(3), [], others(2)];
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
    expect(node.activeTasks.size).toBe(1003);
    expect(asked).toEqual([
      ['me', 500],
      ['me', 500],
      ['me', 500],
    ]);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(1003);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(1005);
  });

  it('are adopted once by a node that is alone for good', async () => {
    const node = await aNode({ solo: true });
    await node.ownership.start();
    expect(node.ownership.leads()).toBe(true);
    await node.advance(SEARCH);
    expect([node.count('adopt'), node.count('owned'), node.count('loads')]).toEqual([1, 0, 0]);
  });

  it.each([
    ['the lease cannot be proved', 'freeze'],
    ['the node leaves', 'stop'],
  ])('are left to others from the moment in which %s, in the middle of many', async (_what, how) => {
    let batches = 0;
    const node = await aNode({
      override: () => ({
        async adopt() {
          batches += 1;
          if (batches === 1) {
            if (how === 'stop') node.ownership.stop();
            else node.cluster.freeze();
          }
          return batches > 3 ? [] : others(500);
        },
      }),
    });
    await node.ownership.start();
    await node.advance(SEARCH);
    expect(batches).toBe(1);
    expect(node.activeTasks.size).toBe(0);
  });

  it('are not adopted by a node that comes back until no other counts on its last lease any more', async () => {
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

  it('are looked for again after a look that failed, and those that it adopted all the same are found', async () => {
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

describe('a task that is taken up', () => {
  it('is this node’s, unfinished, and not active already', async () => {
    const [mine, theirs, over, held] = [
      aTask({ owner: 'me' }),
      aTask({ owner: 'another' }),
      aTask({ owner: 'me', phase: 'succeeded' }),
      aTask({ owner: 'me' }),
    ];
    const node = await aNode({ override: () => ({ adopt: async () => [mine, theirs, over, held] }) });
    const active = node.activeTasks.take(held);
    await node.ownership.start();
    expect(node.driven()).toEqual(idsOf([mine, held]));
    expect(node.activeTasks.get(held.id)).toBe(active);
  });

  it('keeps no other from it where it cannot be driven', async () => {
    const tasks = others(3);
    const node = await aNode({ override: () => ({ adopt: async () => tasks }) });
    node.undrivable.add(tasks[1]?.id ?? '');
    await node.ownership.start();
    expect(node.activeTasks.size).toBe(2);
  });
});

describe('tasks of this node that are not active', () => {
  it('are found at the start, however many, and every thirty seconds', async () => {
    const node = await aNode();
    await node.accept(501);
    await node.ownership.start();
    expect(node.activeTasks.size).toBe(501);
    await node.accept(1);
    await node.advance(SEARCH - LOOK);
    expect(node.activeTasks.size).toBe(501);
    await node.advance(LOOK);
    expect(node.activeTasks.size).toBe(502);
  });

  it('are left alone while they are about to become active', async () => {
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

  it('are found at the next look where what was to drive them failed', async () => {
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

  it('are read again, since they may have ended between two readings', async () => {
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

  it('are not looked for without a lease, and found with the next one', async () => {
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

describe('a search for tasks that are not active', () => {
  it('reads nothing twice that is active', async () => {
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

describe('a task that was accepted under the last lease', () => {
  it('is not driven before it is known that it is stored, though it is adopted meanwhile', async () => {
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

describe('a node whose lease is lost', () => {
  it('lets go of everything, and leads no more', async () => {
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

describe('what one node alone should do', () => {
  it('is the first one’s to do, and not while its lease cannot be proved', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'another'];
    await node.ownership.start();
    expect(node.ownership.leads()).toBe(true);
    node.cluster.freeze();
    expect(node.ownership.leads()).toBe(false);
    node.cluster.freeze(false);
    expect(node.ownership.leads()).toBe(true);
  });

  it('becomes another’s once the first one is gone, and is begun once', async () => {
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

  it('is begun anew where a node is gone that may have been at it, and not where one joins', async () => {
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

  it('is not begun by a node that leaves', async () => {
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

describe('the load of several nodes', () => {
  it('is evened out every two seconds: what can be moved, and the newest first', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    const tasks = await node.drive(40);
    for (const { id } of tasks.slice(30)) node.immovable.add(id);
    await node.advance(SPREAD - LOOK);
    expect(node.activeTasks.size).toBe(40);
    await node.advance(LOOK);
    expect([node.activeTasks.size, await node.loadOf('me'), await node.loadOf('poor')]).toEqual([20, 20, 20]);
    expect(node.driven()).toEqual(idsOf([...tasks.slice(0, 10), ...tasks.slice(30)]));
  });

  it('is no concern of a node that is alone, nor of one that the only other one leaves', async () => {
    const node = await aNode();
    await node.ownership.start();
    await node.drive(40);
    await node.advance(SPREAD);
    node.cluster.living = ['me', 'leaving'];
    node.cluster.hear({ kind: 'leaving' }, 'leaving');
    await node.advance(SPREAD);
    expect([node.activeTasks.size, node.count('loads')]).toEqual([40, 0]);
    // A name that has left does not come back; one that comes is another node.
    node.cluster.living = ['me', 'new'];
    await node.advance(SPREAD);
    expect([node.activeTasks.size, await node.loadOf('new')]).toEqual([20, 20]);
  });

  it('leaves a task with this node that has moved meanwhile', async () => {
    const node = await aNode({
      override: (store) => ({
        async transfer(from, to, tasks) {
          const [first] = tasks;
          const stored = first && (await store.task(first.id));
          const wish = stored && move(stored, { type: 'cancel_requested' }, 0);
          if (wish) await store.commit(wish);
          return store.transfer(from, to, tasks);
        },
      }),
    });
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    await node.drive(40);
    await node.advance(SPREAD);
    expect([node.activeTasks.size, await node.loadOf('me'), await node.loadOf('poor')]).toEqual([21, 21, 19]);
  });

  it('drives no task while it is transferred, and finds what was not given after all', async () => {
    const given = Promise.withResolvers<void>();
    let gives = 0;
    const node = await aNode({
      override: () => ({
        async transfer() {
          gives += 1;
          await given.promise;
          throw new Error('the answer is lost');
        },
      }),
    });
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    const tasks = await node.drive(40);
    await node.advance(SPREAD);
    expect([node.activeTasks.size, gives]).toEqual([20, 1]);
    // Told by somebody meanwhile: they are on their way out.
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect(node.activeTasks.size).toBe(20);
    given.resolve();
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
  });
});

describe('tasks that another node gives', () => {
  it('are driven as soon as it is told, by the node that they were given to', async () => {
    const node = await aNode();
    await node.ownership.start();
    const tasks = await node.accept(2);
    node.cluster.hear({ kind: 'given', to: 'third', tasks: [...idsOf(tasks)] });
    node.cluster.hear({ kind: 'moved', tasks: tasks.map(({ id }) => [id, 1]) });
    await node.settle();
    expect(node.activeTasks.size).toBe(0);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect(node.driven()).toEqual(idsOf(tasks));
  });

  it('are found by the next look where they could not be read', async () => {
    let away = true;
    const node = await aNode({
      override: (store) => ({
        async tasks(ids) {
          if (away) throw new Error('no connection');
          return store.tasks(ids);
        },
      }),
    });
    await node.ownership.start();
    const tasks = await node.accept(2);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    away = false;
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
  });

  it('go on from a node that leaves, which says so once more', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second', 'leaves too', 'third'];
    node.cluster.hear({ kind: 'leaving' }, 'nobody yet');
    await node.ownership.start();
    node.cluster.hear({ kind: 'leaving' }, 'leaves too');
    const tasks = await node.accept(5);
    node.ownership.stop();
    expect(node.cluster.told).toEqual([{ kind: 'leaving' }]);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect(node.cluster.told).toEqual([{ kind: 'leaving' }, { kind: 'leaving' }]);
    expect(Object.fromEntries(await node.store.loads())).toEqual({ second: 3, third: 2 });
    expect(node.activeTasks.size).toBe(0);
  });
});

describe('a node that leaves', () => {
  it('gives what can be moved to the others alike, in batches', async () => {
    const batches: number[] = [];
    const node = await aNode({
      override: (store) => ({
        transfer(from, to, tasks) {
          batches.push(tasks.length);
          return store.transfer(from, to, tasks);
        },
      }),
    });
    node.cluster.living = ['me', 'second', 'third'];
    await node.ownership.start();
    const tasks = await node.drive(1203);
    for (const { id } of tasks.slice(0, 2)) node.immovable.add(id);
    node.ownership.stop();
    expect(await node.ownership.transferAll()).toBe(1201);
    expect(batches).toEqual([500, 101, 500, 100]);
    expect(node.driven()).toEqual(idsOf(tasks.slice(0, 2)));
    expect(Object.fromEntries(await node.store.loads())).toEqual({ me: 2, second: 601, third: 600 });
  });

  it('gives also what it owns and does not drive, but for what is about to become active', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second', 'third'];
    await node.ownership.start();
    const tasks = await node.accept(1001);
    const [onItsWay] = tasks;
    const done = Promise.withResolvers<void>();
    const work = node.ownership.during(onItsWay?.id ?? '', () => done.promise);
    node.ownership.stop();
    expect(await node.ownership.transferAll()).toBe(1000);
    expect(await node.loadOf('me')).toBe(1);
    expect(Math.abs((await node.loadOf('second')) - (await node.loadOf('third')))).toBeLessThanOrEqual(2);
    done.resolve();
    await work;
  });

  it('keeps everything where nobody else stays', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'leaves too'];
    node.cluster.hear({ kind: 'leaving' }, 'leaves too');
    await node.ownership.start();
    node.cluster.hear({ kind: 'leaving' }, 'leaves too');
    await node.drive(3);
    await node.accept(2);
    const before = node.count('owned');
    expect(await node.ownership.transferAll()).toBe(0);
    expect([node.activeTasks.size, node.count('owned'), await node.loadOf('me')]).toEqual([3, before, 5]);
  });

  it('gives nothing without a lease', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    await node.drive(3);
    node.cluster.freeze();
    expect(await node.ownership.transferAll()).toBe(0);
    expect([node.activeTasks.size, node.count('transfer')]).toEqual([3, 0]);
  });

  it('waits for a look that is under way, whose lease may be lost by its end', async () => {
    const looked = Promise.withResolvers<void>();
    let looks = 0;
    const node = await aNode({
      override: () => ({
        async adopt() {
          looks += 1;
          if (looks > 1) await looked.promise;
          return [];
        },
      }),
    });
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    await node.drive(3);
    await node.advance(LOOK);
    node.ownership.stop();
    const given = node.ownership.transferAll();
    await node.settle();
    expect(node.count('transfer')).toBe(0);
    node.cluster.freeze();
    looked.resolve();
    expect(await given).toBe(0);
    expect(node.count('transfer')).toBe(0);
    node.cluster.freeze(false);
    expect(await node.ownership.transferAll()).toBe(3);
  });

  it('looks for nothing more', async () => {
    const node = await aNode();
    await node.ownership.start();
    node.ownership.stop();
    const before = node.count('adopt');
    await node.advance(SEARCH);
    expect(node.count('adopt')).toBe(before);
  });
});
