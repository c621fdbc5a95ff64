import type { Account } from '../providers/account.ts';
import type { RateShare } from '../providers/rates/share.ts';
import type { AccountTrouble } from '../store/store.ts';

/** How this node uses an account at the moment. */
export interface AccountUsage {
  readonly inUse: number;
  /** Tasks that wait for a slot on it. */
  readonly waiting: number;
}

/** A task found no free slot; a slot beyond the share became free; or a task was adopted beyond the share. */
export type Happened = 'lacking' | 'released' | 'occupied';

/** This node's share of an account that all nodes use. */
export interface AccountShare {
  /** Maximum number of tasks in flight on this node. */
  places(): number;
  /** Share of the account's rates: 0 … 1. */
  rate(): number;
  /** Reports an event that may affect how the account is divided between nodes. Cheap. */
  note(happened: Happened): void;
  /** Tells all nodes that the account was refused, or works again. */
  tell(trouble: AccountTrouble): void;
  /** Called when places or rate have changed. */
  onChange(listener: () => void): void;
  /** Called with problems and recoveries of the account that other nodes report. */
  onTrouble(listener: (trouble: AccountTrouble) => void): void;
}

export interface AccountShares {
  /** The share of an account. `usage` is read whenever the node reports. */
  of(account: Account, usage: () => AccountUsage): AccountShare;
  /** The rate share of an account by its id, for adapters that pace their own requests. */
  rates(accountId: string): RateShare;
}

/** Shares for a single node: it has all of every account. */
export const WHOLE_SHARES: AccountShares = {
  of: (account) => wholeShare(account),
  rates: () => ALL_RATES,
};

/** The whole rate: this node has every turn. */
export const ALL_RATES: RateShare = { rate: () => 1, turnIn: (_everyMs, afterMs) => afterMs };

export function wholeShare({ limits }: Account): AccountShare {
  return {
    places: () => limits.inFlight,
    rate: () => 1,
    note: () => undefined,
    tell: () => undefined,
    onChange: () => undefined,
    onTrouble: () => undefined,
  };
}
