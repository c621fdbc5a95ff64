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
  /** `engine/stages/submit.ts`: a pass in `submitting` without the token of the intent searches, and never sends. */
  readonly sendsWithTokenOnly: boolean;
  /** `intend` in `engine/stages/admit.ts`: there is a token only if this process knows that the intent is committed. */
  readonly tokenOfCommittedIntent: boolean;
  /** `drive` in `engine/drive.ts`: the token goes to the next pass and to no later one. */
  readonly tokenOfOnePass: boolean;
  /** `drive` in `engine/drive.ts`: a stored intent is sent although the node drains. */
  readonly sendsStoredIntent: boolean;
  /** `write` in `engine/transitions.ts`: an intent for which there is no place may have taken the last one at an earlier try. */
  readonly readsWithoutPlace: boolean;
  /** `notStarted` in `engine/stages/submit.ts`: a job that may have been sent is searched for before it is sent again. */
  readonly searchFirst: boolean;
  /** `isComplete` in `providers/search/judge.ts`: nothing counts as absent while it may still arrive. */
  readonly absentWaits: boolean;
  /** `searchOnce` in `engine/recovery/search.ts`: a found job may belong to another lost task while our own request may still arrive. */
  readonly foundWaits: boolean;
  /** `isSameWrite` in `engine/transitions.ts`: an own write is recognised although a cancel request was stored after it. */
  readonly recognisesOwnWrite: boolean;
  /** `refreshNow` in `engine/transitions.ts`: an unknown write stays unknown until something newer is read. */
  readonly doubtsUntilNewer: boolean;
  /** `only` in `engine/stages/cancel.ts`: a cancellation applies only in the phase in which it was decided. */
  readonly cancelsInOnePhase: boolean;
  /** `submit_intended` in `tasks/lifecycle.ts`: a task with a cancel request is not submitted any more. */
  readonly intendsNoCancelled: boolean;
  /** `cluster/postgres/timings.ts`: `leaseMs` is shorter than `serverMs`. */
  readonly nodeStopsFirst: boolean;
  /** `inMemory` in `engine/reads.ts`: memory is trusted only while `cluster.hasLease()`. */
  readonly readsUnderLease: boolean;
  /** `confirmForOwner` in `engine/recovery/confirm.ts`. */
  readonly confirmsForTheOwner: boolean;
  /** `adopt` in `cluster/adoption.ts`. */
  readonly adopts: boolean;
  /** `search` in `cluster/adoption.ts`: own tasks that are missing from memory. */
  readonly searchesOwned: boolean;
  /** `stop` in `engine/drive.ts`, `drop` in `engine/activeTasks.ts`: waits end when the node drains or the task is released. */
  readonly endsWaits: boolean;
  /** `follow` in `engine/transitions.ts`: a wait or a search ends when another node has changed the task. */
  readonly wakesOnChange: boolean;
  /** `lookAgain` in `engine/drive.ts`: the task is read again after a pass that moved nothing. */
  readonly reloadsWhenNothingMoved: boolean;
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
  sendsWithTokenOnly: true,
  tokenOfCommittedIntent: true,
  tokenOfOnePass: true,
  sendsStoredIntent: true,
  readsWithoutPlace: true,
  searchFirst: true,
  absentWaits: true,
  foundWaits: true,
  recognisesOwnWrite: true,
  doubtsUntilNewer: true,
  cancelsInOnePhase: true,
  intendsNoCancelled: true,
  nodeStopsFirst: true,
  readsUnderLease: true,
  confirmsForTheOwner: true,
  adopts: true,
  searchesOwned: true,
  endsWaits: true,
  wakesOnChange: true,
  reloadsWhenNothingMoved: true,
};
