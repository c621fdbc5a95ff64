/** What keeps a task from having two drivers that both send, or none. A test takes each out. */
export interface Guards {
  /** `providers/http/fence.ts`: whether a creation may go out is asked at the last moment before it would. */
  readonly fence: boolean;
  /** `maySend` in `engine/submission.ts` asks for the very hand, not for the session alone. */
  readonly fenceAsksForTheHand: boolean;
  /** `commit` in `store/postgresStatements.ts`. */
  readonly casOnPhase: boolean;
  readonly casOnVersion: boolean;
  readonly casOnOwner: boolean;
  /** `adopt` in `store/postgresStatements.ts`. */
  readonly adoptionMovesTheVersion: boolean;
  readonly adoptsOfTheDeadAlone: boolean;
  /** `claim` in `store/postgres.ts`. */
  readonly jobIsOfOneAttempt: boolean;
  /** `submit_intended` is durable before the first byte goes upstream. */
  readonly intentFirst: boolean;
  /** `reconcile` in `engine/submission.ts`: what may have been sent is looked for before it is sent again. */
  readonly searchFirst: boolean;
  /** `isComplete` in `providers/http/judge.ts`: nothing counts as absent that may be on its way. */
  readonly absentWaits: boolean;
  /** `lookOnce` in `engine/submission.ts`: what is found may be that of another task that is lost as well, while ours may arrive yet. */
  readonly foundWaits: boolean;
  /** `store/sessionTimings.ts`: `leaseMs` is shorter than `serverMs`. */
  readonly nodeStopsFirst: boolean;
  /** `inHand` in `engine/engine.ts`: memory is believed while `cluster.held()`. */
  readonly readsUnderLease: boolean;
  /** `confirmForOwner` in `engine/submission.ts`. */
  readonly tellsTheOwner: boolean;
  /** `adopt` in `engine/ownership.ts`. */
  readonly adopts: boolean;
  /** `search` in `engine/ownership.ts`: own tasks that are in no hand. */
  readonly searchesOwned: boolean;
}

export const ALL_GUARDS: Guards = {
  fence: true,
  fenceAsksForTheHand: true,
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
  tellsTheOwner: true,
  adopts: true,
  searchesOwned: true,
};
