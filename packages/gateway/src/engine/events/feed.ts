import type { Log } from '../../observability/log.ts';
import type { Task } from '../../tasks/task.ts';
import { createRemoteReads, type TaskReader } from './remoteReads.ts';

/** Something about a task changed: a transition that is durable by now, or its progress. */
export interface Change {
  readonly task: Task;
  /** False where only the progress moved. */
  readonly transition: boolean;
}

/** The one change feed of the process: it wakes long-polls and keeps caches true. No one polls the store. */
export interface Feed {
  publish(change: Change): void;
  /** Every change that this node made. Returns the unsubscriber. */
  onChange(listener: (change: Change) => void): () => void;
  /** Changes of one task, whichever node made them; never an older version after a newer one. Returns the unsubscriber. */
  onTask(taskId: string, listener: (change: Change) => void): () => void;

  /** A write of this node is about to begin: until it is published, others may know more of the task than our caches. */
  invalidate(taskId: string): void;
  /** Other nodes changed these tasks: caches are told at once, listeners as soon as the tasks are read. */
  changedRemotely(taskIds: readonly string[]): void;
  /** Other nodes may have changed any task, and it was not told. */
  invalidateAll(): void;
  /** What was read of a task before may be out of date; of any task where there is no id. Returns the unsubscriber. */
  onInvalidate(listener: (taskId: string | undefined) => void): () => void;
}

/** Listeners of one task. */
interface Watched {
  readonly listeners: Set<(change: Change) => void>;
  /** The newest version they were told. */
  version: number;
}

/** How tasks are read that other nodes changed. */
interface Others {
  readonly reader: TaskReader;
  readonly log: Log;
}

/** Without others on the store, nothing is ever told of them. */
export function createFeed(others?: Others): Feed {
  const everyone = new Set<(change: Change) => void>();
  const caches = new Set<(taskId: string | undefined) => void>();
  const watched = new Map<string, Watched>();

  const reads = others
    ? createRemoteReads({
        ...others,
        wanted: (taskId) => watched.has(taskId),
        done(task) {
          // What the listeners have been told already is no change to them.
          if (task.version > (watched.get(task.id)?.version ?? 0)) notify({ task, transition: true });
        },
      })
    : undefined;

  function notify(change: Change): void {
    const of = watched.get(change.task.id);
    if (!of || change.task.version < of.version) return;
    of.version = change.task.version;
    // A copy: listeners unsubscribe while they run.
    for (const listener of [...of.listeners]) listener(change);
  }
  function notifyCaches(taskId: string | undefined): void {
    for (const listener of caches) listener(taskId);
  }

  return {
    publish(change) {
      for (const listener of everyone) listener(change);
      notify(change);
    },
    onChange(listener) {
      everyone.add(listener);
      return () => everyone.delete(listener);
    },
    onTask(taskId, listener) {
      let of = watched.get(taskId);
      if (!of) {
        of = { listeners: new Set(), version: 0 };
        watched.set(taskId, of);
      }
      const { listeners } = of;
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && watched.get(taskId)?.listeners === listeners) watched.delete(taskId);
      };
    },
    invalidate: notifyCaches,
    changedRemotely(taskIds) {
      for (const taskId of taskIds) notifyCaches(taskId);
      reads?.read(taskIds);
    },
    invalidateAll() {
      notifyCaches(undefined);
      reads?.read([...watched.keys()]);
    },
    onInvalidate(listener) {
      caches.add(listener);
      return () => caches.delete(listener);
    },
  };
}
