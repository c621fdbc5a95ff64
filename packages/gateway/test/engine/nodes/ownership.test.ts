import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { eventually } from '../../support/eventually.ts';
import { ledgerInDatabase, sums } from '../../support/ledger.ts';
import { createNodes, type Node } from '../../support/nodes/world.ts';

const WORKING = () => ({ answers: ['in_progress'] }) as const;
const phase =
  (...phases: Task['phase'][]) =>
  (task: Task) =>
    phases.includes(task.phase);
const happened = (node: Node, event: 'lost' | 'joined') =>
  new Promise<void>((resolve) => {
    const stop = node.cluster.onLease((told) => {
      if (told !== event) return;
      stop();
      resolve();
    });
  });

describe('tasks that were read under a lease that is lost by now', () => {
  it('are not driven under its name, which belongs to a dead node', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const dying = await nodes.join();
    const adopted = Promise.withResolvers<void>();
    const arrive = Promise.withResolvers<void>();
    const node = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async adopt(owner, limit) {
          const tasks = await store.adopt(owner, limit);
          if (tasks.length === 0) return tasks;
          adopted.resolve();
          await arrive.promise;
          return tasks;
        },
      },
    }));
    const { id } = await dying.submit();
    await dying.kill();
    await adopted.promise;
    const lost = happened(node, 'lost');
    await nodes.cut(node);
    await lost;
    arrive.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(node.engine.unfinished).toBe(0);
    await nodes.until(id, ({ owner }) => owner === node.cluster.node);
    await eventually(() => expect(node.engine.unfinished).toBe(1));
  });
});

describe('transferred tasks', () => {
  it('are found at the start of a node that did not listen yet', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const rich = await nodes.join();
    await Promise.all(Array.from({ length: 40 }, () => rich.submit()));
    const loadOf = async (node: string) => (await rich.store.loads()).get(node) ?? 0;
    const second = await nodes.join(async ({ cluster }) => {
      await eventually(async () => expect(await loadOf(cluster.node)).toBe(20));
      return {};
    });
    expect(second.engine.unfinished).toBe(20);
  });

  it('are read once, however often the message arrives', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const former = await nodes.join();
    const answer = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    let reads = 0;
    const next = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async tasks(ids) {
          if (ids.includes(id)) {
            reads += 1;
            reading.resolve();
            await answer.promise;
          }
          return store.tasks(ids);
        },
      },
    }));
    const { id } = await former.submit();
    const task = await former.store.task(id);
    await former.store.transfer(former.cluster.node, next.cluster.node, task ? [task] : []);
    await reading.promise;
    const toldAgain = new Promise<void>((resolve) => {
      next.cluster.onMessage(({ kind }) => kind === 'given' && resolve());
    });
    former.cluster.broadcast({ kind: 'given', to: next.cluster.node, tasks: [id] });
    await toldAgain;
    await new Promise((resolve) => setImmediate(resolve));
    expect(reads).toBe(1);
    answer.resolve();
    await eventually(() => expect(next.engine.unfinished).toBe(1));
  });

  it('are not answered from memory by their new node if the message was lost', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    let late: (() => Promise<readonly string[]>) | undefined;
    const former = await nodes.join(({ store, cluster }) => ({
      store: {
        ...store,
        async transfer(...given) {
          if (late) return [];
          // On its way for longer than anyone waits for its answer.
          late = () => store.transfer(...given);
          throw new Error('no answer in time');
        },
      },
      cluster: {
        ...cluster,
        get node() {
          return cluster.node;
        },
        onMessage: () => () => undefined,
      },
    }));
    const next = await nodes.join();
    await Promise.all(Array.from({ length: 40 }, () => former.submit()));
    await eventually(() => {
      expect(late).toBeDefined();
      expect(former.engine.unfinished).toBe(40);
    });
    const [id = ''] = (await late?.()) ?? [];
    const task = await nodes.until(id, ({ owner }) => owner === next.cluster.node);
    await eventually(() => expect(next.engine.unfinished).toBeGreaterThan(0));
    await next.engine.cancel(task);
    expect(await former.engine.read(id)).toMatchObject({ phase: 'failed', error: { reason: 'cancelled' } });
  });

  it('of a node that shuts down are passed on to the nodes that stay', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const leaving = await nodes.join();
    const held = leaving.provider.hold('submit');
    await leaving.submit();
    const left = leaving.engine.drain(30_000);
    const given = new Promise<void>((resolve) => {
      leaving.cluster.onMessage(
        (message) => message.kind === 'given' && message.to === leaving.cluster.node && resolve(),
      );
    });
    // It has not heard that the other node shuts down.
    const stays = await nodes.join();
    await Promise.all(Array.from({ length: 40 }, () => stays.submit()));
    await given;
    await eventually(async () => {
      expect((await stays.store.loads()).get(stays.cluster.node)).toBe(40);
      expect(stays.engine.unfinished).toBe(40);
    });
    held.release();
    await left;
  });

  it('include those that a node accepts at the last moment before it shuts down', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const accepted = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const leaving = await nodes.join(({ store }) => ({
      store: {
        ...store,
        async accept(acceptance) {
          const outcome = await store.accept(acceptance);
          accepted.resolve();
          await answer.promise;
          return outcome;
        },
      },
    }));
    const stays = await nodes.join();
    const submitted = leaving.submit();
    await accepted.promise;
    const drained = leaving.engine.drain(1000);
    answer.resolve();
    await drained;
    await submitted;
    expect((await stays.store.loads()).get(stays.cluster.node)).toBe(1);
    await eventually(() => expect(stays.engine.unfinished).toBe(1));
  });

  it('leave no answer in the caches of their last driver', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const rich = await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 40 }, () => rich.submit()));
    const stale = new Set<string | undefined>();
    rich.feed.onInvalidate((id) => stale.add(id));
    const poor = await nodes.join();
    await eventually(() => expect(poor.engine.unfinished).toBe(20));
    const there = await rich.store.owned(poor.cluster.node, 100);
    expect(there.filter(({ id }) => !stale.has(id))).toEqual([]);
    expect(tasks).toHaveLength(40);
  });
});

describe('a driver that does not know that its task has another driver', () => {
  it('fails to write, and releases the task', async () => {
    let over = false;
    const nodes = await createNodes({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const former = await nodes.join();
    const { id } = await former.submit();
    await nodes.until(id, ({ startedAt }) => startedAt !== undefined);
    const asked = former.provider.hold('poll');
    const next = await nodes.join();
    const task = await nodes.until(id, phase('running'));
    expect(await next.store.transfer(former.cluster.node, next.cluster.node, [task])).toEqual([id]);
    expect(former.engine.unfinished).toBe(1);
    over = true;
    asked.release();
    await eventually(() => expect(former.engine.unfinished).toBe(0));
    expect(former.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
    expect(sums(await ledgerInDatabase(nodes.url, id)).capture ?? 0).toBeLessThanOrEqual(400_000);
  });
});

describe('places of an account', () => {
  it('move with the tasks: from a dead node, from one that shuts down, and from one that lost its lease', async () => {
    const nodes = await createNodes({ behaviour: WORKING });
    const first = await nodes.join();
    const tasks = await Promise.all(Array.from({ length: 6 }, () => first.submit()));
    for (const { id } of tasks) await nodes.until(id, phase('running'));
    expect(first.engine.accounts()).toMatchObject([{ inFlight: 6 }]);
    const second = await nodes.join();
    await first.drain();
    await eventually(() => expect(second.engine.accounts()).toMatchObject([{ inFlight: 6 }]));
    const third = await nodes.join();
    await second.kill();
    await eventually(() => expect(third.engine.accounts()).toMatchObject([{ inFlight: 6 }]));
    const lost = happened(third, 'lost');
    await nodes.cut(third);
    await lost;
    await new Promise((resolve) => setImmediate(resolve));
    expect(third.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
    await eventually(() => expect(third.engine.accounts()).toMatchObject([{ inFlight: 6 }]));
    expect(nodes.upstream.count('submit')).toBe(6);
  });
});

describe('a client that waits at a node without a lease', () => {
  it('learns how the task has ended', async () => {
    let over = false;
    const nodes = await createNodes({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const driver = await nodes.join();
    const other = await nodes.join();
    const { id } = await driver.submit();
    await nodes.until(id, phase('running'));
    const ended = new Promise<Task>((resolve) => {
      other.feed.onTask(id, ({ task }) => task.phase === 'succeeded' && resolve(task));
    });
    const lost = happened(other, 'lost');
    await nodes.cut(other);
    await lost;
    over = true;
    expect(await ended).toMatchObject({ id, phase: 'succeeded' });
  });
});

describe('a cancel request that the next driver finds', () => {
  it('is carried out although the store is unavailable for a moment', async () => {
    const nodes = await createNodes({ limits: { inFlight: 0 } });
    const dying = await nodes.join();
    const task = await dying.submit();
    await dying.kill();
    const other = await nodes.join((parts) => ({ store: { ...parts.store, adopt: async () => [] } }));
    const wish = move(task, { type: 'cancel_requested' }, Date.now());
    expect(wish && (await other.store.commit(wish))).toBe(true);
    let away = true;
    await nodes.join(({ store }) => ({
      store: {
        ...store,
        async commit(...given) {
          if (!away) return store.commit(...given);
          away = false;
          throw new Error('no connection');
        },
      },
    }));
    expect((await nodes.ends(task.id)).error).toMatchObject({ reason: 'cancelled' });
    expect(away).toBe(false);
  });
});

describe('leader-only work', () => {
  it('moves to the next node when the leader dies, including what other nodes began that die later', async () => {
    const nodes = await createNodes();
    const taken = { first: 0, second: 0 };
    let spread = 0;
    const counted = (name: keyof typeof taken) => (parts: { store: Store }) => ({
      store: {
        ...parts.store,
        expiredSince(since: number, limit: number) {
          taken[name] += 1;
          return parts.store.expiredSince(since, limit);
        },
        loads() {
          if (name === 'second') spread += 1;
          return parts.store.loads();
        },
      },
    });
    const first = await nodes.join(counted('first'));
    await nodes.join(counted('second'));
    expect(taken).toEqual({ first: 1, second: 0 });
    await first.kill();
    await eventually(() => expect(taken.second).toBe(1));
    const third = await nodes.join();
    const before = spread;
    // A node looks at the load of each node only if it sees another node.
    await eventually(() => expect(spread).toBeGreaterThan(before));
    await third.kill();
    await eventually(() => expect(taken.second).toBe(2));
    expect(taken.first).toBe(1);
  });
});
