import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Log } from '../../observability/log.ts';
import type { Task } from '../../tasks/task.ts';

/** Reads the current state of the tasks that exist. */
export type TaskReader = (taskIds: readonly string[]) => Promise<readonly Task[]>;

/** Reads tasks that other nodes changed, for the listeners on this node. */
export interface RemoteReads {
  /** Reads the tasks that have listeners. A task that changes during its read is read again. */
  read(taskIds: readonly string[]): void;
}

interface RemoteReadsParts {
  readonly reader: TaskReader;
  /** Whether the task has listeners. */
  wanted(taskId: string): boolean;
  done(task: Task): void;
  readonly log: Log;
}

/** Tasks per read. */
const BATCH = 500;
/** Delay after a failed read, in milliseconds. */
const RETRY_MS = 250;

/** Only one read is in flight at a time. Changes that arrive meanwhile are collected for the next one. */
export function createRemoteReads({ reader, wanted, done, log }: RemoteReadsParts): RemoteReads {
  const waiting = new Set<string>();
  let reading = false;

  async function readWaiting(): Promise<void> {
    for (;;) {
      // Lets pending promise callbacks run first: a request between its read of the task and its subscription would miss the change.
      await turn();
      const batch = takeBatch();
      if (batch.length === 0) {
        reading = false;
        return;
      }
      try {
        const tasks = await reader(batch);
        await turn();
        for (const task of tasks) notify(task);
      } catch (error) {
        log.debug(
          { event: 'task.read_failed', err: error, tasks: batch.length },
          'cannot read tasks that other nodes changed; retrying',
        );
        // The next batch leaves out tasks that have no listeners any more.
        for (const taskId of batch) waiting.add(taskId);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  function notify(task: Task): void {
    try {
      done(task);
    } catch (error) {
      log.error(
        { event: 'task.listener_failed', err: error, task: task.id },
        'a listener to the changes of a task threw',
      );
    }
  }

  function takeBatch(): readonly string[] {
    const batch: string[] = [];
    for (const taskId of waiting) {
      if (batch.length === BATCH) break;
      waiting.delete(taskId);
      if (wanted(taskId)) batch.push(taskId);
    }
    return batch;
  }

  return {
    read(taskIds) {
      for (const taskId of taskIds) if (wanted(taskId)) waiting.add(taskId);
      if (reading || waiting.size === 0) return;
      reading = true;
      void readWaiting();
    },
  };
}
