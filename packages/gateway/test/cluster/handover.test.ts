import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { move } from '../../src/tasks/lifecycle.ts';
import { aTask } from '../support/builders.ts';
import { aNode, idsOf, LOOK, SEARCH, SPREAD } from '../support/nodes/owner.ts';

describe('the load of several nodes', () => {
  it('is balanced every two seconds: only movable tasks, the newest first', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    // A node that says anything else stays.
    node.cluster.hear({ kind: 'keys' }, 'poor');
    const tasks = await node.drive(40);
    for (const { id } of tasks.slice(30)) node.immovable.add(id);
    await node.advance(SPREAD - LOOK);
    expect(node.activeTasks.size).toBe(40);
    await node.advance(LOOK);
    expect([node.activeTasks.size, await node.loadOf('me'), await node.loadOf('poor')]).toEqual([20, 20, 20]);
    expect(node.driven()).toEqual(idsOf([...tasks.slice(0, 10), ...tasks.slice(30)]));
    // No task that was transferred is read again.
    expect(node.count('tasks')).toBe(0);
  });

  it('is not balanced by a node that is alone, nor by one whose only other node shuts down', async () => {
    const node = await aNode();
    await node.ownership.start();
    await node.drive(40);
    await node.advance(SPREAD);
    node.cluster.living = ['me', 'leaving'];
    node.cluster.hear({ kind: 'leaving' }, 'leaving');
    await node.advance(SPREAD);
    expect([node.activeTasks.size, node.count('loads')]).toEqual([40, 0]);
    // A name never returns; a node that joins is another node.
    node.cluster.living = ['me', 'new'];
    await node.advance(SPREAD);
    expect([node.activeTasks.size, await node.loadOf('new')]).toEqual([20, 20]);
  });

  it('is balanced by transfers of at most 2,000 tasks to each other node', async () => {
    const given: [string, number][] = [];
    const node = await aNode({
      override: () => ({
        loads: async () => new Map([['me', 30_000]]),
        async transfer(_from, to, tasks) {
          given.push([to, tasks.length]);
          return tasks.map(({ id }) => id);
        },
      }),
    });
    node.cluster.living = ['me', 'poor', 'poorer'];
    await node.ownership.start();
    for (let n = 0; n < 5000; n++) node.activeTasks.add(aTask({ owner: 'me' }));
    await node.advance(SPREAD);
    expect(given).toEqual([
      ['poor', 2000],
      ['poorer', 2000],
    ]);
    expect(node.activeTasks.size).toBe(1000);
    expect(node.lines).toMatchObject([
      { event: 'ownership.rebalanced', to: 'poor', tasks: 2000 },
      { event: 'ownership.rebalanced', to: 'poorer', tasks: 2000 },
    ]);
  });

  it('is not balanced by a node without a valid lease', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    await node.drive(40);
    const before = node.count('adopt');
    node.cluster.freeze();
    await node.advance(2 * SEARCH);
    expect([node.count('adopt') - before, node.count('loads'), node.activeTasks.size]).toEqual([0, 0, 40]);
    node.cluster.freeze(false);
    await node.advance(SPREAD);
    expect(node.activeTasks.size).toBe(20);
  });

  it('keeps a task here that has moved on in the meantime', async () => {
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

  it('drives no task during its transfer, and finds those that were not transferred after all', async () => {
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
    // Somebody has announced in the meantime that they are being transferred.
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect(node.activeTasks.size).toBe(20);
    given.resolve();
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
  });
});

describe('tasks whose transfer got no response', () => {
  const unanswered = () => {
    let away = true;
    return {
      answers: () => {
        away = false;
      },
      override: (store: Pick<Store, 'transfer'>) => ({
        async transfer(...given: Parameters<Store['transfer']>) {
          if (away) throw new Error('the answer is lost');
          return store.transfer(...given);
        },
      }),
    };
  };

  it('are resumed as tasks that another node may own, and whose stored state may be newer', async () => {
    const { override } = unanswered();
    const node = await aNode({ override });
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    const tasks = await node.drive(40);
    await node.advance(SPREAD);
    expect(node.logged()).toEqual(['ownership.check_failed']);
    await node.advance(LOOK);
    // The newest half was on its way.
    const unsure = [...node.activeTasks].filter(({ writeUnknown }) => writeUnknown);
    expect(idsOf(unsure.map(({ task }) => task))).toEqual(idsOf(tasks.slice(20)));
  });

  it('certainly belong to this node under its next lease', async () => {
    const { override } = unanswered();
    const node = await aNode({ override });
    node.cluster.living = ['me', 'poor'];
    await node.ownership.start();
    const tasks = await node.drive(40);
    await node.advance(SPREAD);
    node.cluster.lose();
    node.cluster.rejoin('me');
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
    expect([...node.activeTasks].filter(({ writeUnknown }) => writeUnknown)).toEqual([]);
  });
});

describe('tasks from another node', () => {
  it('are driven by their new node as soon as the message arrives', async () => {
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

  it('are found at the next look if they could not be read', async () => {
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
    expect(node.logged()).toEqual(['ownership.transfer_unread']);
    away = false;
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
  });

  it('are not read during an adoption, whose response may be older, and are found right after it', async () => {
    const adopted = Promise.withResolvers<void>();
    let adoptions = 0;
    const node = await aNode({
      override: () => ({
        async adopt() {
          adoptions += 1;
          if (adoptions === 2) await adopted.promise;
          return [];
        },
      }),
    });
    await node.ownership.start();
    await node.advance(LOOK);
    const tasks = await node.accept(2);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect([adoptions, node.count('tasks'), node.driven().size]).toEqual([2, 0, 0]);
    // The very look in which the adoption ends finds them.
    adopted.resolve();
    await node.settle();
    expect(node.driven()).toEqual(idsOf(tasks));
  });

  it('are driven at once after a failed adoption', async () => {
    let adoptions = 0;
    const node = await aNode({
      override: () => ({
        async adopt() {
          adoptions += 1;
          if (adoptions === 2) throw new Error('no connection');
          return [];
        },
      }),
    });
    await node.ownership.start();
    await node.advance(LOOK);
    const tasks = await node.accept(1);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    expect(node.driven()).toEqual(idsOf(tasks));
  });

  it('are all found by the next look if one of them is about to become active', async () => {
    const node = await aNode();
    await node.ownership.start();
    const [first, second] = await node.accept(2);
    if (!first || !second) throw new Error('there are no tasks');
    const done = Promise.withResolvers<void>();
    const work = node.ownership.during(first.id, () => done.promise);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [first.id, second.id] });
    await node.settle();
    expect(node.driven()).toEqual(idsOf([second]));
    done.resolve();
    await work;
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf([first, second]));
  });

  it('are read once if the message arrives twice', async () => {
    const node = await aNode();
    await node.ownership.start();
    const tasks = await node.accept(1);
    const message = { kind: 'given', to: 'me', tasks: [...idsOf(tasks)] } as const;
    node.cluster.hear(message);
    node.cluster.hear(message);
    await node.settle();
    expect([node.count('tasks'), node.driven().size]).toEqual([1, 1]);
  });

  it('are not driven if they were read under an earlier lease', async () => {
    const read = Promise.withResolvers<void>();
    const node = await aNode({
      override: (store) => ({
        async tasks(ids) {
          await read.promise;
          return (await store.tasks(ids)).map((task) => ({ ...task, owner: 'me again' }));
        },
      }),
    });
    await node.ownership.start();
    const tasks = await node.accept(1);
    node.cluster.hear({ kind: 'given', to: 'me', tasks: [...idsOf(tasks)] });
    await node.settle();
    node.cluster.lose();
    node.cluster.rejoin('me again');
    read.resolve();
    await node.settle();
    expect(node.driven().size).toBe(0);
  });

  it('are passed on by a node that shuts down, which announces its shutdown again', async () => {
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

describe('a node that shuts down', () => {
  it('transfers movable tasks evenly to the others, in batches', async () => {
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

  it('also transfers tasks that it owns but does not drive, except those about to become active', async () => {
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

  it('reads each owned task once, including those that it cannot transfer', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    const driven = await node.drive(500);
    for (const { id } of driven) node.immovable.add(id);
    await node.accept(3);
    const before = node.count('owned');
    node.ownership.stop();
    expect(await node.ownership.transferAll()).toBe(3);
    expect([node.count('owned') - before, await node.loadOf('second')]).toEqual([2, 3]);
  });

  it('transfers nothing if it owns nothing', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    expect([await node.ownership.transferAll(), node.count('transfer')]).toEqual([0, 0]);
  });

  it('logs that it cannot pass on tasks that it received', async () => {
    const node = await aNode({
      override: () => ({
        async tasks() {
          throw new Error('no connection');
        },
      }),
    });
    await node.ownership.start();
    node.ownership.stop();
    node.cluster.hear({ kind: 'given', to: 'me', tasks: ['a task'] });
    await node.settle();
    expect(node.logged()).toEqual(['ownership.handover_failed']);
  });

  it('keeps everything if no other node stays', async () => {
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

  it('transfers nothing without a lease', async () => {
    const node = await aNode();
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    await node.drive(3);
    node.cluster.freeze();
    expect(await node.ownership.transferAll()).toBe(0);
    expect([node.activeTasks.size, node.count('transfer')]).toEqual([3, 0]);
  });

  it('waits for no look without a lease, since the store may not answer', async () => {
    let looks = 0;
    const node = await aNode({
      override: () => ({ adopt: () => (++looks > 1 ? new Promise(() => undefined) : Promise.resolve([])) }),
    });
    node.cluster.living = ['me', 'second'];
    await node.ownership.start();
    await node.drive(3);
    await node.advance(LOOK);
    node.cluster.freeze();
    expect([looks, await node.ownership.transferAll(), node.count('transfer')]).toEqual([2, 0, 0]);
  });

  it('waits for a look in progress, whose lease may be lost by its end', async () => {
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

  it('looks for no more tasks', async () => {
    const node = await aNode();
    await node.ownership.start();
    node.ownership.stop();
    const before = node.count('adopt');
    await node.advance(SEARCH);
    expect(node.count('adopt')).toBe(before);
  });
});
