import type { AccountState } from '../../limits/account.ts';
import type { Timers } from '../../time/timers.ts';
import type { ActiveTask } from '../activeTasks.ts';

/** Accepted tasks wait here for a place on an account of their model's provider. */
export interface Admission {
  /** Puts a task in the queue of its key; `front` for one that has had its turn and was refused for the moment. */
  enqueue(active: ActiveTask, front?: boolean): void;
  /** Takes a task out; false if it was not waiting. */
  remove(active: ActiveTask): boolean;
  /** How many tasks could go to the account if it had places. */
  waiting(account: AccountState): number;
  /** No task leaves the queue from now on. */
  stop(): void;
}

interface AdmissionParts {
  readonly accounts: readonly AccountState[];
  readonly timers: Timers;
  /** Whether a task may go to an account at all. */
  readonly mayUse: (active: ActiveTask, account: AccountState) => boolean;
  /** Called with a place taken. */
  readonly admit: (active: ActiveTask, account: AccountState) => void;
}

/** One key's waiting tasks by model: a model whose accounts are full must not hold up the key's other models. */
type Waiting = Map<string, ActiveTask[]>;

interface Choice {
  readonly state: AccountState;
  readonly waitMs: number;
}

/**
 * Fair admission: API keys take turns, so that a key with a thousand tasks waiting delays another key's first task
 * by one turn, not by a thousand.
 */
export function createAdmission({ accounts, timers, mayUse, admit }: AdmissionParts): Admission {
  /** The order of the map is the order of turns. */
  const byKey = new Map<string, Waiting>();
  let cancelWake: (() => void) | undefined;
  let stopped = false;
  for (const state of accounts) state.onReady(pump);

  /** The account that is ready first, the least loaded of those that are ready at once. */
  function choose(active: ActiveTask): Choice | undefined {
    let best: Choice | undefined;
    for (const state of accounts) {
      if (!mayUse(active, state)) continue;
      const waitMs = state.readyIn();
      if (waitMs === undefined) {
        state.share.note('lacking');
        continue;
      }
      const sooner = !best || waitMs < best.waitMs;
      if (sooner || (waitMs === best?.waitMs && state.load() < best.state.load())) best = { state, waitMs };
    }
    return best;
  }

  /** Takes one task of a key that can go now; otherwise tells how long the first of its models waits. */
  function next(waiting: Waiting): { active: ActiveTask; state: AccountState } | { waitMs: number } {
    let shortest = Number.POSITIVE_INFINITY;
    for (const [model, [active]] of waiting) {
      const choice = active && choose(active);
      if (!active || !choice) continue;
      if (choice.waitMs > 0) shortest = Math.min(shortest, choice.waitMs);
      else {
        take(waiting, model, active);
        return { active, state: choice.state };
      }
    }
    return { waitMs: shortest };
  }

  /** Takes a task out of its queue; false if it is not there. */
  function take(waiting: Waiting, model: string, active: ActiveTask): boolean {
    const queue = waiting.get(model) ?? [];
    const index = queue.indexOf(active);
    if (index < 0) return false;
    queue.splice(index, 1);
    if (queue.length === 0) waiting.delete(model);
    return true;
  }

  function pump(): void {
    if (stopped) return;
    cancelWake?.();
    cancelWake = undefined;
    let shortest = Number.POSITIVE_INFINITY;
    // A key that was served goes to the end of the row, where this loop meets it again.
    for (const [keyId, waiting] of byKey) {
      const found = next(waiting);
      if ('waitMs' in found) {
        shortest = Math.min(shortest, found.waitMs);
        continue;
      }
      byKey.delete(keyId);
      if (waiting.size > 0) byKey.set(keyId, waiting);
      found.state.take();
      admit(found.active, found.state);
    }
    if (shortest < Number.POSITIVE_INFINITY) cancelWake = timers.after(shortest, pump);
  }

  return {
    enqueue(active, front = false) {
      const { keyId, request } = active.task;
      const waiting = byKey.get(keyId) ?? new Map<string, ActiveTask[]>();
      const queue = waiting.get(request.model) ?? [];
      if (front) {
        queue.unshift(active);
        // Behind the key's other models: an account that refuses this one alone must be tried with the others too.
        waiting.delete(request.model);
      } else queue.push(active);
      waiting.set(request.model, queue);
      byKey.set(keyId, waiting);
      pump();
    },
    remove(active) {
      const { keyId, request } = active.task;
      const waiting = byKey.get(keyId);
      if (!waiting || !take(waiting, request.model, active)) return false;
      if (waiting.size === 0) byKey.delete(keyId);
      return true;
    },
    waiting(account) {
      if (stopped) return 0;
      let waiting = 0;
      for (const models of byKey.values()) {
        for (const queue of models.values()) {
          const [first] = queue;
          // The first stands for those behind it: they go after it, and are of the same model.
          if (first && mayUse(first, account)) waiting += queue.length;
        }
      }
      return waiting;
    },
    stop() {
      stopped = true;
    },
  };
}
