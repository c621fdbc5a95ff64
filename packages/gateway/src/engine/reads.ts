import { isTerminal, type Task } from '../tasks/task.ts';
import type { AccountPool } from './accountPool.ts';
import type { ActiveTasks } from './activeTasks.ts';
import type { LiveProgress, Progress } from './events/progress.ts';
import type { EngineParts } from './parts.ts';
import { type Waiting, waitingFor } from './stages/waiting.ts';

/** What this node knows about tasks. */
export interface Reads {
  read(taskId: string): Promise<Task | undefined>;
  /** As `read`, and whether the task may be cached until the feed invalidates it. */
  current(taskId: string): Promise<{ task: Task; keep: boolean } | undefined>;
  live(taskId: string): LiveProgress | undefined;
  /** Why a task has not been submitted yet, as far as this node knows. */
  waiting(task: Task): Waiting | undefined;
}

type ReadParts = Pick<EngineParts, 'store' | 'cluster'> & {
  readonly pool: AccountPool;
  readonly activeTasks: ActiveTasks;
  readonly progress: Progress;
};

export function createReads({ store, cluster, pool, activeTasks, progress }: ReadParts): Reads {
  /** The task in memory, if it is current: this node drives it, and no newer state is being written. */
  function inMemory(taskId: string): Task | undefined {
    const active = activeTasks.get(taskId);
    return active && !active.moving && !active.writeUnknown && cluster.hasLease() ? active.task : undefined;
  }

  return {
    async read(taskId) {
      return inMemory(taskId) ?? store.task(taskId);
    },
    async current(taskId) {
      const own = inMemory(taskId);
      const task = own ?? (await store.task(taskId));
      return (
        task && { task, keep: isTerminal(task.phase) || (own !== undefined && inMemory(taskId) === own) }
      );
    },
    live: progress.of,
    waiting(task) {
      if (task.phase !== 'accepted') return undefined;
      const active = activeTasks.get(task.id);
      // A task with a place is already being submitted.
      return active?.place ? undefined : waitingFor(pool.serving(task), active !== undefined);
    },
  };
}
