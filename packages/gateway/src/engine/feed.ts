import type { Task } from '../tasks/task.ts';

/** Something about a task changed: a transition that is durable by now, or its progress. */
export interface Change {
  readonly task: Task;
  /** False where only the progress moved. */
  readonly transition: boolean;
}

/** The one change feed of the process: it wakes long-polls and keeps caches true. No one polls the store. */
export interface Feed {
  publish(change: Change): void;
  /** Every change of every task. Returns the unsubscriber. */
  onChange(listener: (change: Change) => void): () => void;
  /** Changes of one task. Returns the unsubscriber. */
  onTask(taskId: string, listener: (change: Change) => void): () => void;
}

export function createFeed(): Feed {
  const everyone = new Set<(change: Change) => void>();
  const perTask = new Map<string, Set<(change: Change) => void>>();

  return {
    publish(change) {
      for (const listener of everyone) listener(change);
      // A copy: listeners unsubscribe while they run.
      for (const listener of [...(perTask.get(change.task.id) ?? [])]) listener(change);
    },
    onChange(listener) {
      everyone.add(listener);
      return () => everyone.delete(listener);
    },
    onTask(taskId, listener) {
      let listeners = perTask.get(taskId);
      if (!listeners) {
        listeners = new Set();
        perTask.set(taskId, listeners);
      }
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && perTask.get(taskId) === listeners) perTask.delete(taskId);
      };
    },
  };
}
