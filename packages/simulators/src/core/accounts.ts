/** The state of an account. Each upstream reports it in its own words. */
export const ACCOUNT_STATES = ['active', 'revoked', 'quota_exhausted', 'overdue', 'forbidden'] as const;

export type AccountState = (typeof ACCOUNT_STATES)[number];

export interface Account {
  readonly name: string;
  readonly key: string;
  readonly state: AccountState;
}

/** The accounts of one upstream. The key of the first, `default`, is printed. */
export interface Accounts {
  byKey(key: string | undefined): Account | undefined;
  /** Adds an account or changes the state of a known one. */
  set(name: string, state?: AccountState): Account;
  list(): readonly Account[];
}

export function createAccounts(keyOf: (name: string) => string): Accounts {
  const accounts = new Map<string, Account>();
  return {
    byKey: (key) => [...accounts.values()].find((account) => account.key === key),
    set(name, state = 'active') {
      const account = { name, key: keyOf(name), state };
      accounts.set(name, account);
      return account;
    },
    list: () => [...accounts.values()],
  };
}
