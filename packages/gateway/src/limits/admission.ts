import type { Task } from '../tasks/task.ts';
import { later, type Moment } from '../time/clock.ts';
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
  /** Another account may be used. */
  add(account: AccountState): void;
  /** Looks at all keys, because it has changed which accounts may be used. */
  look(): void;
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
 *
 * After each look at all keys no task can be admitted before `wakeAt`, or before an account tells that it is ready. So a task that
 * joins is compared with nobody: behind the first of its queue it waits, and as the first one it is admitted if an account is ready.
 */
export function createAdmission({ timers, mayUse, ...parts }: AdmissionParts): Admission {
  const accounts: AccountState[] = [];
  /** The order of the map is the order of turns. */
  const byKey = new Map<string, QueuesByModel>();
  let cancelWake: (() => void) | undefined;
  let wakeAt: Moment | undefined;
  let stopped = false;
  for (const state of parts.accounts) use(state);

  function use(state: AccountState): void {
    accounts.push(state);
    state.onReady(pump);
  }

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

  /** Admits the first task of a queue if an account is ready; otherwise sees to it that all are looked at once one is. */
  function tryFirst(waiter: Waiter): boolean {
    const choice = choose(waiter);
    if (!choice) return false;
    if (choice.waitMs > 0) {
      wakeIn(choice.waitMs);
      return false;
    }
    const { keyId } = waiter.task;
    const waiting = dequeue(waiter);
    // The key's next turn comes after those of the others.
    byKey.delete(keyId);
    if (waiting && waiting.size > 0) byKey.set(keyId, waiting);
    choice.state.take(waiter.task.id);
    waiter.admitted(choice.state);
    return true;
  }

  function wakeIn(ms: number): void {
    const at = later(timers.monotonic(), ms);
    if (wakeAt !== undefined && wakeAt <= at) return;
    cancelWake?.();
    cancelWake = timers.after(ms, pump);
    wakeAt = at;
  }

  /** Looks at all keys in turn, and in each at the first task of each model until one is admitted. */
  function pump(): void {
    if (stopped) return;
    cancelWake?.();
    wakeAt = undefined;
    // A key that was served moves to the end of the map, where this loop reaches it again.
    for (const waiting of byKey.values())
      for (const [first] of waiting.values()) if (first && tryFirst(first)) break;
  }

  const firstLike = ({ keyId, request }: Task): Waiter | undefined =>
    byKey.get(keyId)?.get(request.model)?.[0];

  /** The queue of such tasks has a new first one. */
  function lookAtFirst(task: Task): void {
    if (stopped) return;
    // If the timer is late, another task may have its turn before this one.
    if (wakeAt !== undefined && wakeAt <= timers.monotonic()) pump();
    for (let first = firstLike(task); first && tryFirst(first); ) first = firstLike(task);
  }

  /** Removes a task from its queue. Returns the queues of its key, or undefined if it is in none. */
  function dequeue(waiter: Waiter): QueuesByModel | undefined {
    const { keyId, request } = waiter.task;
    const waiting = byKey.get(keyId);
    const queue = waiting?.get(request.model) ?? [];
    // From the end: a node that loses its lease removes all its tasks, the last one first.
    const index = queue[0] === waiter ? 0 : queue.lastIndexOf(waiter);
    if (index < 0) return undefined;
    queue.splice(index, 1);
    if (queue.length === 0) waiting?.delete(request.model);
    return waiting;
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
      if (queue[0] === waiter) lookAtFirst(waiter.task);
    },
    remove(waiter) {
      // Nothing is admitted any more, and a drain removes all tasks.
      if (stopped) return false;
      const { task } = waiter;
      const wasFirst = firstLike(task) === waiter;
      const waiting = dequeue(waiter);
      if (waiting?.size === 0) byKey.delete(task.keyId);
      // The next one may use other accounts, if it is made from a video that one of them has.
      if (wasFirst) lookAtFirst(task);
      return waiting !== undefined;
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
    add(state) {
      use(state);
      pump();
    },
    look: pump,
    stop() {
      stopped = true;
    },
  };
}
