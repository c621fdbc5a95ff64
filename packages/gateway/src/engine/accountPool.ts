import { type AccountState, createAccountState } from '../limits/account.ts';
import { type Admission, createAdmission } from '../limits/admission.ts';
import { WHOLE_SHARES } from '../limits/limits.ts';
import type { Task } from '../tasks/task.ts';
import type { EngineParts } from './parts.ts';

/** The accounts as this node uses them, and the queue of the tasks that wait for them. */
export interface AccountPool {
  readonly states: ReadonlyMap<string, AccountState>;
  readonly admission: Admission;
  /** The accounts that may serve the task. */
  serving(task: Task): readonly AccountState[];
}

type PoolParts = Pick<EngineParts, 'accounts' | 'servedBy' | 'shares' | 'clock' | 'timers'>;

export function createAccountPool(parts: PoolParts): AccountPool {
  const { clock, timers, servedBy, shares = WHOLE_SHARES } = parts;
  const states = new Map(
    parts.accounts.map((account) => {
      const usage = () => ({ inUse: state.inUse, waiting: admission.waiting(state) });
      const share = shares.of(account, usage);
      const state: AccountState = createAccountState(account, timers, share, Math.random, clock);
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
    serving: (task) => [...states.values()].filter((state) => mayUse({ task }, state)),
  };
}
