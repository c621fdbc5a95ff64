import { type AccountState, createAccountState } from '../limits/account.ts';
import { type Admission, createAdmission } from '../limits/admission.ts';
import { createHealth } from '../limits/health.ts';
import { openLimits } from '../limits/open.ts';
import type { Account } from '../providers/account.ts';
import type { Move } from '../tasks/lifecycle.ts';
import type { Task } from '../tasks/task.ts';
import type { EngineParts } from './parts.ts';

/** The accounts as this node uses them, and the queue of the tasks that wait for them. */
export interface AccountPool {
  readonly states: ReadonlyMap<string, AccountState>;
  readonly admission: Admission;
  /** Reads what is stored about the accounts. */
  start(): Promise<void>;
  /** Another account may be used, if it is not known yet. */
  add(account: Account): void;
  /** Members of fleets were added, removed, or given other places. */
  look(): void;
  /** Resolves when nothing about the accounts is being written any more. */
  stop(): Promise<void>;
  /** A transition of a task has been written. */
  moved(move: Move): void;
  /** The accounts that may serve the task. */
  serving(task: Task): readonly AccountState[];
  /** When the last account that served the task's model ceases to: milliseconds UTC, or infinity. Also if none is known that ever served it. */
  servedUntil(task: Task): number;
}

type PoolParts = Pick<
  EngineParts,
  'accounts' | 'servedBy' | 'servedUntil' | 'limits' | 'store' | 'cluster' | 'clock' | 'timers' | 'log'
>;

export function createAccountPool(parts: PoolParts): AccountPool {
  const { clock, timers, log, servedBy, limits = openLimits(parts) } = parts;
  const states = new Map<string, AccountState>();
  let isStarted = false;

  function open(account: Account): AccountState {
    const { member, provider, id } = account;
    const { reach } = provider;
    const isUsed = () => !member?.isRemoved;
    const demand = () => admission.demand(state);
    const state: AccountState = createAccountState({
      account,
      limits,
      demand,
      clock: timers,
      wall: clock,
      ...(member && reach
        ? { health: (changed) => createHealth({ account, reach, timers, log, isUsed, changed }) }
        : {}),
    });
    states.set(id, state);
    return state;
  }

  /** A video made from another one must use the account that holds the source. */
  const holdsSource = ({ request: { source } }: Task, { id }: Account): boolean =>
    source === undefined || source.accountId === id;
  const mayUse = ({ task }: { readonly task: Task }, { account }: AccountState): boolean =>
    servedBy(account, task) && holdsSource(task, account);

  const admission = createAdmission({ accounts: parts.accounts.map(open), timers, mayUse });
  return {
    states,
    admission,
    start() {
      isStarted = true;
      return limits.start();
    },
    add(account) {
      if (states.has(account.id)) return;
      admission.add(open(account));
      if (!isStarted) return;
      limits
        .start([account.id])
        .catch((err) =>
          log.warn(
            { event: 'limits.read_failed', account: account.id, err },
            'cannot read what is stored about an account',
          ),
        );
    },
    look() {
      for (const state of states.values()) if (state.blocked()) state.checkHealth();
      admission.look();
    },
    stop() {
      for (const state of states.values()) state.stop();
      return limits.stop();
    },
    moved: (move) => states.get(move.task.attempt?.accountId ?? '')?.limiter.moved(move),
    servedUntil(task) {
      const ends = parts.accounts
        .filter((account) => holdsSource(task, account))
        .flatMap((account) => parts.servedUntil(account, task) ?? []);
      return ends.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...ends);
    },
    serving: (task) => [...states.values()].filter((state) => mayUse({ task }, state)),
  };
}
