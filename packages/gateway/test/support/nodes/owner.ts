import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { soloCluster } from '../../../src/cluster/cluster.ts';
import { createOwnership } from '../../../src/cluster/ownership.ts';
import { createActiveTasks } from '../../../src/engine/activeTasks.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { Store } from '../../../src/store/store.ts';
import { newTaskId } from '../../../src/tasks/ids.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { anAcceptance, aTask } from '../builders.ts';
import { createManualCluster } from '../manualCluster.ts';
import { createManualTimers } from '../manualTimers.ts';
import { tempFolder } from '../tempFolder.ts';

export const LOOK = 500;
export const SPREAD = 4 * LOOK;
export const SEARCH = 60 * LOOK;

type Override = (store: Store) => Partial<Store>;

/** The ownership of a node, over a real store and real active tasks; the test controls the other nodes. */
export async function aNode({
  solo = false,
  override = () => ({}),
}: {
  solo?: boolean;
  override?: Override;
} = {}) {
  const cluster = createManualCluster('me');
  const timers = createManualTimers();
  const opened = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => opened.close());
  const calls: (keyof Store)[] = [];
  // With other nodes the database decides what is adopted: no task of a living node.
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
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const activeTasks = createActiveTasks({
    store,
    feed: createFeed(),
    clock: timers,
    timers,
    log,
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
      activeTasks.add(task);
    },
    isTransferable: ({ task }) => !immovable.has(task.id),
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
    /** The log, as names of events. */
    logged: () => lines.map(({ event }) => event),
    lines,
    alone: () => alone,
    driven: () => new Set([...activeTasks].map(({ task }) => task.id)),
    /** Tasks that are accepted and driven here. */
    async drive(count: number) {
      const tasks = await accept(count);
      for (const task of tasks) activeTasks.add(task);
      return tasks;
    },
    loadOf: async (owner: string) => (await opened.loads()).get(owner) ?? 0,
    /** Advances time, look by look. */
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

export const idsOf = (tasks: readonly Task[]) => new Set(tasks.map(({ id }) => id));
export const others = (count: number): Task[] => Array.from({ length: count }, () => aTask({ owner: 'me' }));
