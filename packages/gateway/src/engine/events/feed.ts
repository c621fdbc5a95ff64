import type { Log } from '../../observability/log.ts';
import type { Task } from '../../tasks/task.ts';
import { createRemoteReads, type TaskReader } from './remoteReads.ts';

/** A change of a task: a transition that has been stored, or its progress. */
export interface Change {
  readonly task: Task;
  /** False if only the progress changed. */
  readonly transition: boolean;
}

/** The change feed of the process. It wakes long-polls and invalidates caches, so that nothing polls the store. */
export interface Feed {
  publish(change: Change): void;
  /** Subscribes to every change that this node made. Returns a function that unsubscribes. */
  onChange(listener: (change: Change) => void): () => void;
  /** Subscribes to the changes of one task by any node. An older version never follows a newer one. Returns a function that unsubscribes. */
  onTask(taskId: string, listener: (change: Change) => void): () => void;

  /** The progress of a task of another node has changed. */
  progressedRemotely(taskId: string): void;
  /** Subscribes to that. Returns a function that unsubscribes. */
  onProgress(taskId: string, listener: () => void): () => void;

  /** This node is about to write the task. Until the write is published, the stored task may be newer than cached copies. */
  invalidate(taskId: string): void;
  /** Other nodes changed these tasks. Caches are invalidated at once; listeners are notified once the tasks have been read. */
  changedRemotely(taskIds: readonly string[]): void;
  /** Other nodes may have changed any task without a message reaching this node. */
  invalidateAll(): void;
  /** Subscribes to invalidations. Earlier reads of the task, or of all tasks without an id, may be stale. Returns a function that unsubscribes. */
  onInvalidate(listener: (taskId: string | undefined) => void): () => void;
}

/** Listeners of one task. */
interface Watched {
  readonly listeners: Set<(change: Change) => void>;
  /** The newest version they were notified of. */
  version: number;
}

/** How tasks that other nodes changed are read. */
interface RemoteReader {
  readonly reader: TaskReader;
  readonly log: Log;
}

/** Omit `others` if this node is the only one on its store. */
export function createFeed(others?: RemoteReader): Feed {
  const changeListeners = new Set<(change: Change) => void>();
  const cacheListeners = new Set<(taskId: string | undefined) => void>();
  const watched = new Map<string, Watched>();
  const progress = new Map<string, Set<() => void>>();

  const reads = others
    ? createRemoteReads({
        ...others,
        wanted: (taskId) => watched.has(taskId),
        done(task) {
          // The listeners may have been notified of this version already.
          if (task.version > (watched.get(task.id)?.version ?? 0)) notify({ task, transition: true });
        },
      })
    : undefined;

  function notify(change: Change): void {
    const entry = watched.get(change.task.id);
    if (!entry || change.task.version < entry.version) return;
    entry.version = change.task.version;
    // A copy, because listeners may unsubscribe while they run.
    for (const listener of [...entry.listeners]) listener(change);
  }
  function notifyCaches(taskId: string | undefined): void {
    for (const listener of cacheListeners) listener(taskId);
  }

  return {
    publish(change) {
      for (const listener of changeListeners) listener(change);
      notify(change);
    },
    onChange(listener) {
      changeListeners.add(listener);
      return () => changeListeners.delete(listener);
    },
    onTask(taskId, listener) {
      let entry = watched.get(taskId);
      if (!entry) {
        entry = { listeners: new Set(), version: 0 };
        watched.set(taskId, entry);
      }
      const { listeners } = entry;
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && watched.get(taskId)?.listeners === listeners) watched.delete(taskId);
      };
    },
    progressedRemotely(taskId) {
      for (const listener of [...(progress.get(taskId) ?? [])]) listener();
    },
    onProgress(taskId, listener) {
      const listeners = progress.get(taskId) ?? new Set();
      progress.set(taskId, listeners.add(listener));
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && progress.get(taskId) === listeners) progress.delete(taskId);
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
      cacheListeners.add(listener);
      return () => cacheListeners.delete(listener);
    },
  };
}
