import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Log } from '../../observability/log.ts';
import type { Task } from '../../tasks/task.ts';

/** Reads those of the tasks that exist, as they are now. */
export type TaskReader = (taskIds: readonly string[]) => Promise<readonly Task[]>;

/** Reads tasks that other nodes changed, for those here who wait for them. */
export interface RemoteReads {
  /** Reads those of the tasks that are wanted. What changes while it is being read is read again. */
  read(taskIds: readonly string[]): void;
}

interface RemoteReadsParts {
  readonly reader: TaskReader;
  /** Whether anybody waits for the task. */
  wanted(taskId: string): boolean;
  done(task: Task): void;
  readonly log: Log;
}

/** Tasks in one read. */
const BATCH = 500;
/** Wait after a read that failed, in milliseconds. */
const RETRY_MS = 250;

/** One read is under way at a time: a task is never read twice at once, and what changes meanwhile gathers for the next. */
export function createRemoteReads({ reader, wanted, done, log }: RemoteReadsParts): RemoteReads {
  const waiting = new Set<string>();
  let reading = false;

  async function readOn(): Promise<void> {
    for (;;) {
      // Between turns nobody is about to go from one wait to the next, as a query does from its read to holding its answer.
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
        // Who waits still waits; those who gave up are left out by the next batch.
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
      void readOn();
    },
  };
}
