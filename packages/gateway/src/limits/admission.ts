import type { Task } from '../tasks/task.ts';
import type { Timers } from '../time/timers.ts';
import type { AccountState } from './account.ts';
import type { Demand } from './limits.ts';

/** A task that waits for a place on an account of its model's provider. */
export interface Waiter {
  readonly task: Task;
  /** Called once a place on the account is reserved for the task, which has left the queue. */
  admitted(account: AccountState): void;
}

/** The queue of accepted tasks that wait for a place on an account of their model's provider. */
export interface Admission {
  /** Queues a task under its API key. `front` is for a task that had its turn and was refused temporarily. */
  enqueue(waiter: Waiter, front?: boolean): void;
  /** Removes a task from the queue; false if it was not queued. */
  remove(waiter: Waiter): boolean;
  /** The queued tasks that could use the account, by key. */
  demand(account: AccountState): readonly Demand[];
  /** Stops admitting tasks. */
  stop(): void;
}

interface AdmissionParts {
  readonly accounts: readonly AccountState[];
  readonly timers: Timers;
  /** Whether a task may use an account at all. */
  readonly mayUse: (waiter: Pick<Waiter, 'task'>, account: AccountState) => boolean;
}

/** One key's queued tasks by model: a model whose accounts are full must not block the key's other models. */
type QueuesByModel = Map<string, Waiter[]>;

interface Choice {
  readonly state: AccountState;
  readonly waitMs: number;
}

/**
 * Fair admission: API keys take turns, so that a key with a thousand tasks waiting delays another key's first task
 * by one turn, not by a thousand.
 */
export function createAdmission({ accounts, timers, mayUse }: AdmissionParts): Admission {
  /** The order of the map is the order of turns. */
  const byKey = new Map<string, QueuesByModel>();
  let cancelWake: (() => void) | undefined;
  let stopped = false;
  for (const state of accounts) state.onReady(pump);

  /** The account that is ready first; among equals, the least loaded one. */
  function choose(waiter: Waiter): Choice | undefined {
    let best: Choice | undefined;
    for (const state of accounts) {
      if (!mayUse(waiter, state)) continue;
      const waitMs = state.readyIn();
      if (waitMs === undefined) continue;
      const sooner = !best || waitMs < best.waitMs;
      if (sooner || (waitMs === best?.waitMs && state.load() < best.state.load())) best = { state, waitMs };
    }
    return best;
  }

  /** Takes a task of a key that can be admitted now. If there is none, returns the shortest wait of its models. */
  function next(waiting: QueuesByModel): { waiter: Waiter; state: AccountState } | { waitMs: number } {
    let shortest = Number.POSITIVE_INFINITY;
    for (const [model, [waiter]] of waiting) {
      const choice = waiter && choose(waiter);
      if (!waiter || !choice) continue;
      if (choice.waitMs > 0) shortest = Math.min(shortest, choice.waitMs);
      else {
        dequeue(waiting, model, waiter);
        return { waiter, state: choice.state };
      }
    }
    return { waitMs: shortest };
  }

  function pump(): void {
    if (stopped) return;
    cancelWake?.();
    cancelWake = undefined;
    let shortest = Number.POSITIVE_INFINITY;
    // A key that was served moves to the end of the map, where this loop reaches it again.
    for (const [keyId, waiting] of byKey) {
      const found = next(waiting);
      if ('waitMs' in found) {
        shortest = Math.min(shortest, found.waitMs);
        continue;
      }
      byKey.delete(keyId);
      if (waiting.size > 0) byKey.set(keyId, waiting);
      found.state.take(found.waiter.task.id);
      found.waiter.admitted(found.state);
    }
    if (shortest < Number.POSITIVE_INFINITY) cancelWake = timers.after(shortest, pump);
  }

  return {
    enqueue(waiter, front = false) {
      const { keyId, request } = waiter.task;
      const waiting = byKey.get(keyId) ?? new Map<string, Waiter[]>();
      const queue = waiting.get(request.model) ?? [];
      if (front) {
        queue.unshift(waiter);
        // The model moves behind the key's other models: an account that refuses only this model must be tried with the others too.
        waiting.delete(request.model);
      } else queue.push(waiter);
      waiting.set(request.model, queue);
      byKey.set(keyId, waiting);
      pump();
    },
    remove(waiter) {
      // Nothing is admitted any more, and a drain removes all tasks.
      if (stopped) return false;
      const { keyId, request } = waiter.task;
      const waiting = byKey.get(keyId);
      if (!waiting || !dequeue(waiting, request.model, waiter)) return false;
      if (waiting.size === 0) byKey.delete(keyId);
      return true;
    },
    demand(account) {
      if (stopped) return [];
      return [...byKey].flatMap(([key, models]) => {
        // All tasks of a queue have the same model, so the first one decides.
        const queues = [...models.values()].filter(([first]) => first && mayUse(first, account));
        const project = queues[0]?.[0]?.task.projectId;
        const waiting = queues.reduce((sum, queue) => sum + queue.length, 0);
        return project === undefined ? [] : [{ project, key, priority: 0, waiting }];
      });
    },
    stop() {
      stopped = true;
    },
  };
}

/** Removes a task from its queue; false if it is not in it. */
function dequeue(waiting: QueuesByModel, model: string, waiter: Waiter): boolean {
  const queue = waiting.get(model) ?? [];
  // From the end: a node that loses its lease removes all its tasks, the last one first.
  const index = queue[0] === waiter ? 0 : queue.lastIndexOf(waiter);
  if (index < 0) return false;
  queue.splice(index, 1);
  if (queue.length === 0) waiting.delete(model);
  return true;
}
