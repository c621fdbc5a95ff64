import { pino } from 'pino';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import { createWorld, type World, type WorldOptions } from '../engineWorld.ts';
import { createManualCluster } from '../manualCluster.ts';

/** A world whose node is one of several; the tasks of other nodes stay with them. */
export async function nodeOfSeveral(options: WorldOptions = {}) {
  const cluster = createManualCluster();
  const logged: Record<string, unknown>[] = [];
  const world = await createWorld({
    ...options,
    parts(parts) {
      const changed = { ...parts, ...options.parts?.(parts) };
      return {
        ...changed,
        cluster,
        store: { ...changed.store, adopt: async () => [] },
        log: pino({ level: 'error' }, { write: (line) => logged.push(JSON.parse(line)) }),
      };
    },
  });
  return { world, cluster, logged };
}

/** Writes moves of the task as its next driver does, without a message. */
export async function asNextDriver(
  { store }: Pick<World, 'store'>,
  id: string,
  ...events: Event[]
): Promise<void> {
  for (const event of events) {
    const task = await store.task(id);
    const next = task && move(task, event, task.createdAt);
    if (!next || !(await store.commit(next))) throw new Error(`no ${event.type} for ${JSON.stringify(task)}`);
  }
}
