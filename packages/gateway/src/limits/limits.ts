import type { Account } from '../providers/account.ts';
import type { OpenPermits, Rate } from '../providers/rates/permits.ts';
import type { AccountTrouble } from '../store/store.ts';
import type { Move } from '../tasks/lifecycle.ts';

/** Tasks that wait to be submitted. */
export interface Demand {
  readonly project: string;
  readonly key: string;
  /** All tasks have the same priority so far. */
  readonly priority: 0;
  readonly waiting: number;
}

/** Returns the tasks of this node that wait for an account. */
export type AccountDemand = () => readonly Demand[];

/** Keeps the limits of one account: its places and its rates. */
export interface AccountLimiter {
  /** Opens the permits of one of its rates. */
  readonly openPermits: OpenPermits;
  /** Places taken by all nodes, or reserved by this one: exact on a single node, and otherwise as far as this node knows. */
  placesUsed(): number;
  /**
   * Milliseconds until a place may be free: 0 if one seems to be free now, undefined if all are taken. `onChange` tells when to ask
   * again.
   */
  placeReadyIn(): number | undefined;
  /** Reserves a place on this node for a task whose intent is about to be written by `intend`. */
  beginIntent(taskId: string): void;
  /** Writes an intent if a place is free. `lost`: as `false` of `commit`. If it throws, the intent may have been written. */
  intend(move: Move): Promise<'written' | 'lost' | 'no_place'>;
  /** A transition of the account's task has been written. To be called before `release`. */
  moved(move: Move): void;
  /** This node drives a task from now on that has a place already. */
  adopt(taskId: string): void;
  /** This node does not drive the task any more, or does not write its intent. */
  release(taskId: string): void;
  /** Tells all nodes that the account was refused, or works again. */
  report(trouble: AccountTrouble): void;
  /** Called with what other nodes report, and with what is stored at the start. */
  onTrouble(listener: (trouble: AccountTrouble) => void): void;
  /** Called when a place may have become free. */
  onChange(listener: () => void): void;
}

/** The limits of all accounts. */
export interface Limits {
  /** Opens the limiter of an account. To be called once for each. */
  open(account: Account, demand: AccountDemand): AccountLimiter;
  /** Opens permits of an account for its adapter. */
  permitsOf(accountId: string): OpenPermits;
  /** Why nothing is submitted to any account; undefined if there is no such reason. A public sentence. */
  warning(): string | undefined;
  /** Reads what is stored about the accounts that were opened, or about these that were opened since. */
  start(accounts?: readonly string[]): Promise<void>;
  /** Resolves when nothing is being written any more. */
  stop(): Promise<void>;
}

/** Submissions: ten seconds' worth at once. */
export const submitRate = ({ limits }: Account): Rate => ({
  perSecond: limits.submitsPerMinute / 60,
  burst: Math.max(1, Math.ceil(limits.submitsPerMinute / 6)),
});

/** Polls: a second's worth at once. */
export const pollRate = ({ limits }: Account): Rate => ({
  perSecond: limits.pollsPerSecond,
  burst: Math.max(1, Math.ceil(limits.pollsPerSecond)),
});
