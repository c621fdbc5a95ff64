import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { createEventTail } from '../../../src/engine/events/eventTail.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { failed } from '../../store/contract/events.ts';
import { eventually } from '../../support/eventually.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function world() {
  const store = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => store.close());
  const feed = createFeed();
  const cluster = createManualCluster();
  const asked = { reads: 0, away: false, rendered: 0 };
  const tail = createEventTail({
    feed,
    cluster,
    log: pino({ level: 'silent' }),
    store: {
      async newEvents(...args) {
        asked.reads += 1;
        if (asked.away) throw new Error('the store is away');
        return await store.newEvents(...args);
      },
    },
    async render({ event, cursor }) {
      asked.rendered += 1;
      return { taskId: event.taskId, cursor };
    },
  });
  const publish = (task: Task) => feed.publish({ task, transition: true });
  return {
    store,
    tail,
    asked,
    feed,
    cluster,
    publish,
    /** A task of this node that fails. */
    async fail(changes: Partial<Task> = {}) {
      const task = await failed(store, changes);
      publish(task);
      return task.id;
    },
    subscribe(projectId = 'project') {
      const given: string[] = [];
      const stop = tail.subscribe(projectId, ({ taskId }) => void given.push(taskId));
      onTestFinished(stop);
      return { given, stop };
    },
  };
}

it('reads once for all subscribers, from when they came, and renders each event once', async () => {
  const w = await world();
  await w.fail();
  const subscribers = Array.from({ length: 100 }, () => w.subscribe());
  const other = w.subscribe('other');
  await w.tail.begun();
  const ids = [await w.fail(), await w.fail()];
  for (const { given } of subscribers) await eventually(() => expect(given).toEqual(ids));
  expect([other.given, w.asked.rendered]).toEqual([[], 2]);
  expect(w.asked.reads).toBeLessThan(8);
  const page = await w.store.eventsAfter(w.tail.cursor() ?? '', { limit: 9 });
  expect(typeof page === 'string' ? page : page.events).toEqual([]);
});

it('reads nothing while nobody is subscribed, and begins anew with the next one', async () => {
  const w = await world();
  const { stop } = w.subscribe();
  await w.tail.begun();
  stop();
  expect(w.tail.cursor()).toBeUndefined();
  const { reads } = w.asked;
  await w.fail();
  await sleep(60);
  expect(w.asked.reads).toBe(reads);
  const again = w.subscribe();
  await w.tail.begun();
  const id = await w.fail();
  await eventually(() => expect(again.given).toEqual([id]));
});

it('does not read for progress, and does for what another node has done', async () => {
  const w = await world();
  const { given } = w.subscribe();
  await w.tail.begun();
  await sleep(60);
  const { reads } = w.asked;
  const task = await failed(w.store);
  w.feed.publish({ task, transition: false });
  await sleep(60);
  expect(w.asked.reads).toBe(reads);
  w.cluster.hear({ kind: 'moved', tasks: [[task.id, task.version]] });
  await eventually(() => expect(given).toEqual([task.id]));
});

it('misses nothing while the store is away', async () => {
  const w = await world();
  const { given } = w.subscribe();
  await w.tail.begun();
  w.asked.away = true;
  const ids = [await w.fail(), await w.fail()];
  await sleep(30);
  expect(given).toEqual([]);
  w.asked.away = false;
  await eventually(() => expect(given).toEqual(ids));
});

it('tells a subscriber that the store is away, and works once it is back', async () => {
  const w = await world();
  w.asked.away = true;
  const { given } = w.subscribe();
  await expect(w.tail.begun()).rejects.toThrow('away');
  w.asked.away = false;
  await w.tail.begun();
  const id = await w.fail();
  await eventually(() => expect(given).toEqual([id]));
});

it('more events than one read takes are given once each', async () => {
  const w = await world();
  const { given } = w.subscribe();
  await w.tail.begun();
  const tasks = await Promise.all(Array.from({ length: 1200 }, () => failed(w.store)));
  w.publish(tasks[0] as Task);
  await eventually(() => expect(given).toHaveLength(1200));
  expect(new Set(given).size).toBe(1200);
});

it('gives many events in portions, between which sockets can take what was sent', async () => {
  const w = await world();
  await w.subscribe();
  const perTurn: number[] = [];
  let turn = 0;
  const stop = w.tail.subscribe('project', () => {
    perTurn[turn] = (perTurn[turn] ?? 0) + 1;
  });
  let over = false;
  const count = () => {
    turn += 1;
    if (!over) setImmediate(count);
  };
  count();
  onTestFinished(() => {
    over = true;
    stop();
  });
  await w.tail.begun();
  const tasks = await Promise.all(Array.from({ length: 600 }, () => failed(w.store)));
  w.publish(tasks[0] as Task);
  const given = () => perTurn.reduce((sum, one) => sum + one, 0);
  await eventually(() => expect(given()).toBe(600));
  expect(Math.max(...perTurn.filter(Number))).toBeLessThanOrEqual(100);
});
