import { type AccountState, createAccountState } from '../limits/account.ts';
import { type Admission, createAdmission } from '../limits/admission.ts';
import type { Limits } from '../limits/limits.ts';
import { openLimits } from '../limits/open.ts';
import type { Move } from '../tasks/lifecycle.ts';
import type { Task } from '../tasks/task.ts';
import type { EngineParts } from './parts.ts';

/** The accounts as this node uses them, and the queue of the tasks that wait for them. */
export interface AccountPool {
  readonly states: ReadonlyMap<string, AccountState>;
  readonly admission: Admission;
  readonly limits: Pick<Limits, 'start' | 'stop'>;
  /** A transition of a task has been written. */
  moved(move: Move): void;
  /** The accounts that may serve the task. */
  serving(task: Task): readonly AccountState[];
}

type PoolParts = Pick<
  EngineParts,
  'accounts' | 'servedBy' | 'limits' | 'store' | 'cluster' | 'clock' | 'timers' | 'log'
>;

export function createAccountPool(parts: PoolParts): AccountPool {
  const { clock, timers, servedBy, limits = openLimits(parts) } = parts;
  const states = new Map(
    parts.accounts.map((account) => {
      const demand = () => admission.demand(state);
      const state: AccountState = createAccountState({ account, limits, demand, clock: timers, wall: clock });
      return [account.id, state];
    }),
  );

  /** A video made from another one must use the account that holds the source. */
  function mayUse({ task }: { readonly task: Task }, { account }: AccountState): boolean {
    const { source } = task.request;
    return servedBy(account, task) && (source === undefined || source.accountId === account.id);
  }

  const admission = createAdmission({ accounts: [...states.values()], timers, mayUse });
  return {
    states,
    admission,
    limits,
    moved: (move) => states.get(move.task.attempt?.accountId ?? '')?.limiter.moved(move),
    serving: (task) => [...states.values()].filter((state) => mayUse({ task }, state)),
  };
}
