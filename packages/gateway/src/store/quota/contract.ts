import type { Counted, QuotaCounter } from '../../tasks/quota.ts';

/**
 * What projects and keys use of their limits. `TaskStore.accept` reserves it, and the move that ends a task gives back what it did not cost, each
 * in its own transaction.
 */
export interface QuotaStore {
  /** What a project or a family of keys uses at `at` (milliseconds UTC): of money, what the tasks in this currency cost or may cost. */
  quotaUse(counted: Counted, at: number, currency: string): Promise<QuotaUse>;
  /**
   * Counts again what the counters of the present periods say, and removes those of periods that are long over. Resolves with the counters
   * that were wrong. Those of a period of which ledger rows are sums by now are left as they are.
   */
  recountQuotas(now: number): Promise<readonly WrongQuota[]>;
}

export interface QuotaUse {
  readonly tasksInFlight: number;
  /** Of the UTC day and month. */
  readonly dayMicros: number;
  readonly monthMicros: number;
}

export interface WrongQuota extends QuotaCounter {
  readonly was: number;
  readonly is: number;
}

/** Which counter had too little left for a task, and what it said. */
export interface OverLimit {
  readonly outcome: 'over_limit';
  readonly counter: QuotaCounter;
  readonly amount: number;
}
