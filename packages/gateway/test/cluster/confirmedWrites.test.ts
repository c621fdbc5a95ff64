import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LeaseEvent } from '../../src/cluster/cluster.ts';
import { guardHistory } from '../../src/cluster/historyGuard.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Task } from '../../src/tasks/task.ts';
import { accepted, INTENT, intended, moved } from '../store/contract/steps.ts';
import { anAcceptance, aTask } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { tempFolder } from '../support/tempFolder.ts';

const CONFIRMED = { type: 'submit_confirmed', upstreamId: 'job', working: false } as const;

/** A node that remembers what it wrote, over a real store; `versions` is what the database of the next lease has. */
async function aNode(override: Partial<Store> = {}) {
  const cluster = createManualCluster('node-1');
  const opened = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => opened.close());
  const lines: Record<string, unknown>[] = [];
  const asked: (readonly string[])[] = [];
  let found: (ids: readonly string[]) => Promise<ReadonlyMap<string, number>> = opened.versions;
  const guarded = guardHistory({
    store: {
      ...opened,
      versions(ids) {
        asked.push(ids);
        return found(ids);
      },
      ...override,
    },
    cluster,
    log: pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) }),
  });
  const events: LeaseEvent[] = [];
  const unsubscribe = guarded.cluster.onLease((event) => events.push(event));
  const settle = async () => {
    for (let turns = 0; turns < 20; turns++) await turn();
  };
  return {
    ...guarded,
    nodes: cluster,
    opened,
    lines,
    asked,
    events,
    unsubscribe,
    settle,
    /** What the database says from now on. */
    answer(versions: typeof found) {
      found = versions;
    },
    async nextLease(name = 'node-2') {
      cluster.lose();
      cluster.rejoin(name);
      await settle();
    },
    logged: () => lines.map(({ event }) => event),
  };
}

/** A database that has these tasks alone, in these versions. */
const only = (...tasks: readonly Pick<Task, 'id' | 'version'>[]) => {
  const versions = new Map(tasks.map(({ id, version }) => [id, version]));
  return async () => versions;
};

describe('a new lease', () => {
  it('is valid once all earlier confirmed writes are found', async () => {
    const node = await aNode();
    expect([node.cluster.hasLease(), node.cluster.node, node.problem()]).toEqual([true, 'node-1', undefined]);
    const first = await accepted(node.store);
    const second = moved(await intended(node.store), CONFIRMED);
    await node.store.claim(second);
    node.nodes.lose();
    expect([node.cluster.hasLease(), node.events]).toEqual([false, ['lost']]);
    const answer = Promise.withResolvers<void>();
    node.answer(async (ids) => {
      await answer.promise;
      return node.opened.versions(ids);
    });
    node.nodes.rejoin('node-2');
    await node.settle();
    expect([node.nodes.hasLease(), node.cluster.hasLease(), node.events]).toEqual([true, false, ['lost']]);
    answer.resolve();
    await node.settle();
    expect([node.cluster.hasLease(), node.cluster.node]).toEqual([true, 'node-2']);
    expect([node.events, node.asked]).toEqual([['lost', 'joined'], [[first.id, second.task.id]]]);
    expect([node.lines, node.nodes.told]).toEqual([[], []]);
    node.nodes.freeze();
    expect(node.cluster.hasLease()).toBe(false);
  });

  it('asks nothing if nothing was written', async () => {
    const node = await aNode();
    await node.nextLease();
    expect([node.asked, node.events, node.cluster.hasLease()]).toEqual([[], ['lost', 'joined'], true]);
  });

  it.each<[string, (store: Store) => Promise<Pick<Task, 'id' | 'version'> | undefined>]>([
    [
      'an accepted task is missing',
      async (store) => {
        await accepted(store);
        return undefined;
      },
    ],
    [
      'a move is missing',
      async (store) => {
        const task = await accepted(store);
        await store.commit(moved(task, INTENT));
        return task;
      },
    ],
    [
      'an intent is missing',
      async (store) => {
        const task = await accepted(store);
        await store.intend(moved(task, INTENT), 1);
        return task;
      },
    ],
    [
      'a claimed job is missing',
      async (store) => {
        const task = await intended(store);
        await store.claim(moved(task, CONFIRMED));
        return task;
      },
    ],
    [
      'a move is missing, although an earlier version was confirmed again',
      async (store) => {
        const task = await accepted(store);
        await store.commit(moved(task, INTENT));
        await store.accept(anAcceptance(task));
        return task;
      },
    ],
  ])('is not taken if %s: the node stops and tells the others', async (_what, write) => {
    const node = await aNode();
    const there = await write(node.store);
    node.answer(only(...(there ? [there] : [])));
    await node.nextLease();
    expect([node.cluster.hasLease(), node.problem()]).toEqual([
      false,
      expect.stringContaining('onetake recover'),
    ]);
    expect(node.nodes.told).toEqual([{ kind: 'went_back' }]);
    expect(node.events).toEqual(['lost', 'lost']);
    expect(node.lines).toMatchObject([{ event: 'store.went_back', lost: 1, tasks: [expect.any(String)] }]);
    // For good, whatever leases follow.
    await node.nextLease('node-3');
    expect([node.events, node.asked.length, node.cluster.hasLease()]).toEqual([
      ['lost', 'lost', 'lost'],
      1,
      false,
    ]);
    expect(node.lines).toHaveLength(1);
  });

  it('logs the number of lost tasks, and names a hundred', async () => {
    const node = await aNode();
    const tasks = await Promise.all(Array.from({ length: 101 }, () => accepted(node.store)));
    node.answer(only());
    await node.nextLease();
    expect(node.lines).toMatchObject([{ lost: 101, tasks: tasks.slice(0, 100).map(({ id }) => id) }]);
  });

  it('does not look for unconfirmed writes', async () => {
    const node = await aNode();
    const idempotency = { key: 'k', bodyHash: 'h', expiresAt: Number.MAX_SAFE_INTEGER };
    const task = await accepted(node.opened, {}, { idempotency });
    for (const bodyHash of ['h', 'another']) {
      await node.store.accept(anAcceptance(aTask(), { idempotency: { ...idempotency, bodyHash } }));
    }
    expect(await node.store.commit(moved({ ...task, version: 7 }, INTENT))).toBe(false);
    expect(await node.store.intend(moved({ ...task, version: 7 }, INTENT), 1)).toBe('lost');
    await node.opened.claim(moved(await intended(node.opened), CONFIRMED));
    expect(await node.store.claim(moved(await intended(node.opened), CONFIRMED))).toBe('taken');
    await node.nextLease();
    expect([node.asked, node.problem()]).toEqual([[], undefined]);
  });

  it('looks for the latest 20,000 writes, 500 at a time', async () => {
    const node = await aNode({ accept: async () => ({ outcome: 'accepted' }) });
    const tasks = Array.from({ length: 20_001 }, () => aTask());
    const [oldest, second] = tasks;
    const latest = tasks.at(-1);
    if (!oldest || !second || !latest) throw new Error('there are no tasks');
    for (const task of tasks.slice(0, -1)) await node.store.accept(anAcceptance(task));
    // The oldest is written once more; the second goes as the one after it comes.
    await node.store.accept(anAcceptance(oldest));
    await node.store.accept(anAcceptance(latest));
    node.answer(async (ids) => new Map(ids.map((id) => [id, 1])));
    await node.nextLease();
    const kept = [...tasks.slice(2, -1), oldest, latest].map(({ id }) => id);
    expect(node.asked.flat()).toEqual(kept);
    expect(node.asked.map(({ length }) => length)).toEqual(Array(40).fill(500));
    expect(node.events).toEqual(['lost', 'joined']);
  });
});

describe('the check of confirmed writes', () => {
  it('is retried until the database answers', async () => {
    const node = await aNode();
    await accepted(node.store);
    let tries = 0;
    node.answer(async (ids) => {
      tries += 1;
      if (tries < 3) throw new Error('no connection');
      return node.opened.versions(ids);
    });
    await node.nextLease();
    expect([node.events, node.cluster.hasLease()]).toEqual([['lost'], false]);
    await eventually(() => expect(node.events).toEqual(['lost', 'joined']));
    expect(node.logged()).toEqual(['store.history_unchecked', 'store.history_unchecked']);
  });

  it.each([
    ['is lost', (node: Awaited<ReturnType<typeof aNode>>) => node.nodes.lose()],
    ['is given up', (node: Awaited<ReturnType<typeof aNode>>) => node.cluster.close()],
  ])('ends with its lease, which %s', async (_how, end) => {
    const node = await aNode();
    await accepted(node.store);
    const answer = Promise.withResolvers<ReadonlyMap<string, number>>();
    node.answer(() => answer.promise);
    await node.nextLease();
    await end(node);
    answer.resolve(new Map());
    await node.settle();
    expect([node.events.includes('joined'), node.problem(), node.nodes.told]).toEqual([false, undefined, []]);
  });

  it('of an earlier lease has no effect on a later one', async () => {
    const node = await aNode();
    const task = await accepted(node.store);
    const answers = [
      Promise.withResolvers<ReadonlyMap<string, number>>(),
      Promise.withResolvers<ReadonlyMap<string, number>>(),
    ];
    node.answer(() => answers[node.asked.length - 1]?.promise ?? Promise.reject(new Error('asked again')));
    await node.nextLease();
    await node.nextLease('node-3');
    answers[0]?.resolve(new Map([[task.id, 1]]));
    await node.settle();
    expect([node.events, node.cluster.hasLease()]).toEqual([['lost', 'lost'], false]);
    answers[1]?.resolve(new Map([[task.id, 1]]));
    await node.settle();
    expect([node.events, node.cluster.hasLease()]).toEqual([['lost', 'lost', 'joined'], true]);
  });
});

describe('a listener for lease events', () => {
  it('is called although another one throws, until it unsubscribes', async () => {
    const node = await aNode();
    const heard: LeaseEvent[] = [];
    node.cluster.onLease(() => {
      throw new Error('a listener that fails');
    });
    node.cluster.onLease((event) => heard.push(event));
    node.unsubscribe();
    await node.nextLease();
    expect([node.events, heard]).toEqual([[], ['lost', 'joined']]);
    expect(node.logged()).toEqual(['cluster.listener_failed', 'cluster.listener_failed']);
  });

  it('is called once if other nodes report lost writes', async () => {
    const node = await aNode();
    node.nodes.hear({ kind: 'keys' }, 'node-7');
    expect([node.events, node.cluster.hasLease()]).toEqual([[], true]);
    node.nodes.hear({ kind: 'went_back' }, 'node-7');
    node.nodes.hear({ kind: 'went_back' }, 'node-8');
    expect([node.events, node.cluster.hasLease(), node.nodes.told]).toEqual([['lost'], false, []]);
    expect(node.lines).toMatchObject([{ event: 'store.went_back', noticedBy: 'node-7' }]);
    expect(node.lines).toHaveLength(1);
  });
});
