/** The task of a child process, passed as JSON. */
export interface Plan {
  readonly dir: string;
  /** Requests not yet acknowledged: submitted with the same idempotency keys in every life. */
  readonly submit: readonly string[];
  /** Whether the upstream can search for a lost submission. */
  readonly find: boolean;
  /** The real time at which the round began; virtual time is counted from there through all lives. */
  readonly epoch: number;
  /** Where this life ends: at the nth passing of a point. */
  readonly kill?: { readonly point: string; readonly nth: number };
}

/** Points at which a process may die, passed rarely enough to name each one. */
export const KILL_POINTS = [
  'accept:before',
  'accept:after',
  'commit accepted>submitting:before',
  'commit accepted>submitting:after',
  'submit:before',
  'upstream took the job',
  'submit:after',
  'commit submitting>running:before',
  'commit submitting>running:after',
  'commit submitting>accepted:before',
  'commit submitting>accepted:after',
  'commit running>running:before',
  'commit running>running:after',
  'poll:after',
  'commit running>storing:before',
  'commit running>storing:after',
  'commit running>failed:before',
  'commit running>failed:after',
  'putMedia:before',
  'putMedia:after',
  'open:after',
  'append:half way',
  'append:after',
  'commit bytes:before',
  'commit bytes:after',
  'commit storing>succeeded:before',
  'commit storing>succeeded:after',
  'discard:before',
  'discard:after',
  'adopt:before',
  'adopt:after',
  'find:before',
  'find:after',
] as const;

/** How the upstream treats a prompt, by its first word. */
export const KINDS = [
  'plain',
  'slow',
  'busy',
  'answer-lost',
  'request-lost',
  'rejected',
  'broken-download',
  'damaged-download',
] as const;
