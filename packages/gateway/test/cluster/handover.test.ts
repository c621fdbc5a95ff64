import { describe, expect, it } from 'vitest';
import { move } from '../../src/tasks/lifecycle.ts';
import { aNode, idsOf, LOOK, SEARCH, SPREAD } from '../support/nodes/owner.ts';

describe('the load of several nodes', () => {
  it('is balanced every two seconds: only movable tasks, the newest first', async () => {
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
    away = false;
    await node.advance(LOOK);
    expect(node.driven()).toEqual(idsOf(tasks));
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
