import type { Account } from '../providers/account.ts';
import type { RateShare } from '../providers/rateShare.ts';
import type { AccountTrouble } from '../store/store.ts';

/** How this node uses an account at the moment. */
export interface AccountUsage {
  readonly inUse: number;
  /** Tasks that wait for a place on it. */
  readonly waiting: number;
}

/** A task finds no place free, a place fell free that is beyond the share, or a task was taken over that is. */
export type Happened = 'lacking' | 'released' | 'occupied';

/** This node's part of an account that all nodes use. */
export interface AccountShare {
  /** Tasks that may be in flight from here. */
  places(): number;
  /** Part of the account's rates: 0 … 1. */
  rate(): number;
  /** Something happened here that may concern the division between nodes. Costs next to nothing. */
  note(happened: Happened): void;
  /** Tells all nodes that the account refused, or works again. */
  tell(trouble: AccountTrouble): void;
  /** Called when places or rate have changed. */
  onChange(listener: () => void): void;
  /** Called with what other nodes learnt of the account. */
  onTrouble(listener: (trouble: AccountTrouble) => void): void;
}

export interface AccountShares {
  /** `usage` is read whenever the node reports. */
  of(account: Account, usage: () => AccountUsage): AccountShare;
  /** Of an account by its name: for adapters that keep a pace of their own. */
  rates(accountId: string): RateShare;
}

/** One node alone, or an upstream that is this node's own: everything is here, and nobody is to be told. */
export const WHOLE_SHARES: AccountShares = {
  of: (account) => wholeShare(account),
  rates: () => ALL_RATES,
};

/** Every turn is this node's. */
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
