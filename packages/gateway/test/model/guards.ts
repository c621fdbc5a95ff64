/** The guards against a task with two drivers that both send, or with none. A test removes each. */
export interface Guards {
  /** `createLeaseGuard` in `providers/http/leaseGuard.ts`: whether a creation may go out is asked at the last moment before it would. */
  readonly fence: boolean;
  /** `maySend` in `engine/stages/submit.ts` checks exactly the active task, not only the lease. */
  readonly fenceAsksForTheTask: boolean;
  /** `commit` in `store/postgres/statements.ts`. */
  readonly casOnPhase: boolean;
  readonly casOnVersion: boolean;
  readonly casOnOwner: boolean;
  /** `adopt` in `store/postgres/statements.ts`. */
  readonly adoptionMovesTheVersion: boolean;
  readonly adoptsOfTheDeadAlone: boolean;
  /** `claim` in `store/postgres/store.ts`. */
  readonly jobIsOfOneAttempt: boolean;
  /** `submit_intended` is durable before the first byte goes upstream. */
  readonly intentFirst: boolean;
  /** `engine/stages/submit.ts`: a job that may have been sent is searched for before it is sent again. */
  readonly searchFirst: boolean;
  /** `isComplete` in `providers/search/judge.ts`: nothing counts as absent while it may still arrive. */
  readonly absentWaits: boolean;
  /** `searchOnce` in `engine/recovery/search.ts`: a found job may belong to another lost task while our own request may still arrive. */
  readonly foundWaits: boolean;
  /** `cluster/postgres/timings.ts`: `leaseMs` is shorter than `serverMs`. */
  readonly nodeStopsFirst: boolean;
  /** `inMemory` in `engine/engine.ts`: memory is trusted only while `cluster.hasLease()`. */
  readonly readsUnderLease: boolean;
  /** `confirmForOwner` in `engine/recovery/confirm.ts`. */
  readonly confirmsForTheOwner: boolean;
  /** `adopt` in `cluster/ownership.ts`. */
  readonly adopts: boolean;
  /** `search` in `cluster/ownership.ts`: own tasks that are missing from memory. */
  readonly searchesOwned: boolean;
}

export const ALL_GUARDS: Guards = {
  fence: true,
  fenceAsksForTheTask: true,
  casOnPhase: true,
  casOnVersion: true,
  casOnOwner: true,
  adoptionMovesTheVersion: true,
  adoptsOfTheDeadAlone: true,
  jobIsOfOneAttempt: true,
  intentFirst: true,
  searchFirst: true,
  absentWaits: true,
  foundWaits: true,
  nodeStopsFirst: true,
  readsUnderLease: true,
  confirmsForTheOwner: true,
  adopts: true,
  searchesOwned: true,
};
