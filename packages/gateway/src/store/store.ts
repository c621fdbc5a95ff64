import type { TaskEvent } from '../tasks/events.ts';
import type { LedgerRow, Move } from '../tasks/lifecycle.ts';
import type { Quota } from '../tasks/quota.ts';
import type { Attempt, Status, Task } from '../tasks/task.ts';
import type { AuditRow, AuditStore, KeyStore, ProjectStore } from './projects.ts';
import type { OverLimit, QuotaStore } from './quota/contract.ts';
import type { RetentionStore } from './retention/retention.ts';
import type { WebhookStore } from './webhooks.ts';

/** Tasks with their attempts, ledger and idempotency records. */
export interface TaskStore {
  /**
   * Writes the task, its hold, inputs and idempotency record in one transaction, in which it also reserves what the task takes of limits.
   * Resolves with the earlier task if the idempotency key was used before.
   */
  accept(acceptance: Acceptance): Promise<Accepted>;
  /**
   * What `accept` would find under an idempotency key at `now` (milliseconds UTC), so that a caller can check before it prepares
   * anything.
   */
  acceptedUnder(projectId: string, key: string, now: number): Promise<AcceptedUnder | undefined>;
  /**
   * Writes a move with its ledger and media rows, its event and the deliveries of that (`webhooks.ts`), if the task is still in the phase
   * and version that the move starts from (compare-and-set). False if another driver was first; then nothing was written.
   */
  commit(move: Move, media?: readonly MediaRow[]): Promise<boolean>;
  /**
   * As `commit`, for a move that takes a place of its account (`tasks/places.ts`), of which there are `limit`. `no_place`: all are
   * taken, and nothing was written. The embedded store does not count places: its only node does.
   */
  intend(move: Move, limit: number): Promise<'written' | 'lost' | 'no_place'>;
  /**
   * As `commit`, for a move that gives its attempt an upstream id, which came with a response or was found by a search. `taken`:
   * another attempt of the account has that id, and nothing was written. If two attempts claim one id at once, even on different
   * nodes, only one gets it. `lost`: as `false` of `commit`.
   */
  claim(move: Move): Promise<'claimed' | 'taken' | 'lost'>;
  task(id: string): Promise<Task | undefined>;
  /** The tasks that exist, in any order. */
  tasks(ids: readonly string[]): Promise<readonly Task[]>;
  /** The versions of the tasks that exist, including rows that cannot be parsed. */
  versions(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  listTasks(query: TaskQuery): Promise<readonly Task[]>;
  /** Other tasks in phase `submitting` on the same account and upstream model, whose prompt has the same `promptKey`. */
  submittingLike(task: Task): Promise<readonly Pick<Task, 'id' | 'version' | 'owner'>[]>;
  /** Tasks whose current attempt was made in the same way at an account, and has an upstream id; the latest first. */
  submittedLike(
    attempt: Pick<Attempt, 'accountId' | 'upstreamModel'> & { readonly findVersion: string },
    limit: number,
  ): Promise<readonly Task[]>;
  /** Tasks that expired since `since` while their upstream job was still running; the latest first. */
  expiredSince(since: number, limit: number): Promise<readonly Task[]>;
  /** Whether an attempt of any task has this upstream id on the account. */
  isKnownUpstream(accountId: string, upstreamId: string): Promise<boolean>;
  /** Deletes up to `limit` expired idempotency records. Resolves with their number. */
  removeExpiredIdempotency(now: number, limit: number): Promise<number>;
}

/** Which node drives which unfinished task. */
export interface OwnershipStore {
  /** Makes `owner` the owner of up to `limit` unfinished tasks whose owner is dead, the oldest tasks of an owner first. */
  adopt(owner: string, limit: number): Promise<readonly Task[]>;
  /** How many unfinished tasks each owner has. */
  loads(): Promise<ReadonlyMap<string, number>>;
  /** Up to `limit` unfinished tasks of `owner` with ids above `after`, in the order of their ids. */
  owned(owner: string, limit: number, after?: string): Promise<readonly Task[]>;
  /**
   * Makes `to` the owner of the tasks that `from` still owns in these versions, and sends it a message. Resolves with the ids of the
   * transferred tasks.
   */
  transfer(
    from: string,
    to: string,
    tasks: readonly Pick<Task, 'id' | 'version'>[],
  ): Promise<readonly string[]>;
}

/** Rows for videos, posters, inputs and files. Their bytes are in the media storage. */
export interface MediaIndex {
  /**
   * Writes media rows: before their bytes (`pending`), and again when the bytes are stored. A row that is present or damaged never
   * becomes pending again.
   */
  putMedia(rows: readonly MediaRow[]): Promise<void>;
  /**
   * As `putMedia`, for a file. False, and nothing is written, if the files of its project would then have more than `mostBytes`; files
   * that are written at once, on whatever node, are counted one after the other.
   */
  putFile(file: MediaRow, mostBytes: number): Promise<boolean>;
  media(id: string): Promise<MediaRow | undefined>;
  /** The storage keys of the media rows that exist, by id. */
  mediaKeys(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Rows that belong to a task. */
  mediaOf(taskId: string): Promise<readonly MediaRow[]>;
  /** A page of a project's files whose bytes are stored. */
  files(query: FileQuery): Promise<readonly MediaRow[]>;
  /** The bytes of all files of a project that are not yet removed. */
  bytesOfFiles(projectId: string): Promise<number>;
  /**
   * Rows whose bytes can be removed, except those with ids in `except`: they have expired, or a crash has left them pending since
   * before `pendingBefore` and no unfinished task needs them.
   */
  sweepable(
    now: number,
    pendingBefore: number,
    limit: number,
    except?: readonly string[],
  ): Promise<readonly MediaRow[]>;
  removeMedia(ids: readonly string[]): Promise<void>;
  /** Marks a row as damaged. False if the row is gone, has expired, is not present, or has another storage key by now. */
  markDamaged(id: string, storageKey: string, now: number): Promise<boolean>;
  /**
   * Up to `limit` rows with ids above `after` that are damaged, or are posters that have been pending since before `before`; in the
   * order of their ids.
   */
  mediaToRepair(before: number, after: string, limit: number): Promise<readonly MediaRow[]>;
  /** The present row that was written or checked longest ago, if that was before `before`. */
  mediaToCheck(before: number): Promise<MediaRow | undefined>;
  /** Records that the bytes of a row were checked. */
  markChecked(id: string, at: number): Promise<void>;
}

/** The state of upstream accounts. */
export interface LimitStore {
  /** Every account with a stored state or with tasks upstream. */
  accounts(): Promise<readonly AccountRow[]>;
  /** Makes every node try a blocked account again. False if the account is not blocked. */
  retryAccount(id: string, audit: AuditRow): Promise<boolean>;
  /** The stored troubles of those accounts that have ever failed. */
  troubles(accounts: readonly string[]): Promise<readonly StoredTrouble[]>;
  /** Stores a new problem or recovery of an account. Of two blocks the longer one applies. */
  reportTrouble(account: string, trouble: AccountTrouble): Promise<void>;
  /** Places that linger after `now` for jobs whose end was not learnt. */
  lingeringPlaces(now: number): Promise<readonly LingeringPlace[]>;
}

/** What was learnt about how long jobs take. Its text is the business of whoever learns. */
export interface EstimateStore {
  /** The estimates that were written at `since` or later, by the store's clock; the earliest first. */
  estimates(since: number): Promise<readonly StoredEstimate[]>;
  /** The estimate of a kind of job. */
  estimate(kind: string): Promise<StoredEstimate | undefined>;
  /**
   * Replaces an estimate in this version, or makes it if `version` is 0. False if another node was first; then nothing was written. Keeps
   * the `most` estimates that were written last.
   */
  putEstimate(estimate: Omit<StoredEstimate, 'updatedAt'>, most: number): Promise<boolean>;
}

/**
 * The public changes of tasks. Each is written with its move, and erased when its task is deleted. Moves are committed in another order
 * than they begin, so there is no final order of the newest events; a cursor never passes them.
 */
export interface EventStore {
  /**
   * The events that have been committed since the view `since` of an earlier answer, and the present view. Without `since`, none. Whoever
   * goes on from view to view gets each event once. `next`: that of the page before, with the same `since`.
   */
  newEvents(since: string | undefined, limit: number, next?: EventPage['next']): Promise<EventPage>;
  /**
   * The events behind a cursor, in order. `view`: that of the page before. `unknown`: the cursor is none of this log. `too_old`: events
   * behind it have been removed.
   */
  eventsAfter(
    cursor: string,
    query: { readonly limit: number; readonly projectId?: string; readonly view?: string | undefined },
  ): Promise<EventPage | 'unknown' | 'too_old'>;
  /**
   * Removes up to `limit` events that are older than `keepMs` at `now` (milliseconds UTC), with their deliveries. An event stays while one of
   * these is pending. Resolves with the number of events.
   */
  removeEvents(now: number, keepMs: number, limit: number): Promise<number>;
  /** Makes every cursor unknown. For a store that was restored, whose next events are others than those that were read. */
  forgetCursors(): Promise<void>;
}

/** Events in the order in which they were read. */
export interface EventPage {
  readonly events: readonly LoggedEvent[];
  /** Which events had been committed. Only for the store that made it. */
  readonly view: string;
  /** The cursor of whoever has read every event of the view. */
  readonly end: string;
  /** How to go on, if there are more. */
  readonly next?: { readonly view: string; readonly after: string };
}

/** An event, and the cursor of whoever has read it and everything before it. */
export interface LoggedEvent {
  readonly event: TaskEvent;
  readonly cursor: string;
}

/** Limits that several nodes keep in their database: counters of places, which `TaskStore` changes with each move, and rates. */
export interface SharedLimitStore {
  /** Jobs in flight by account, as the counters say. Makes missing counters. */
  places(accounts: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Corrects the counters of these accounts, or of all. Resolves with those that were wrong. */
  recountPlaces(accounts?: readonly string[]): Promise<readonly WrongCounter[]>;
  /** Frees lingering places whose bound has passed at `now`. Resolves with the counters that changed. */
  freeLingeringPlaces(
    now: number,
  ): Promise<readonly { readonly account: string; readonly inFlight: number }[]>;
  /** Reserves permits of rates. Does not wait until they are durable. */
  reserve(requests: readonly PermitRequest[]): Promise<readonly PermitGrant[]>;
  /**
   * Counts `wanted` requests of a key or project in a minute since 1970. Resolves with how many all nodes had counted before. Not durable: a
   * crash of the database forgets the minute.
   */
  takeRequests(subject: string, minute: number, wanted: number): Promise<number>;
  /** Names of living nodes of an earlier version, which do not count places. */
  oldNodes(): Promise<readonly string[]>;
  /**
   * Calls `listener` with counters that this node has read or changed, in no certain order. It must not throw. Returns a function that
   * unsubscribes.
   */
  onPlaces(listener: (account: string, inFlight: number) => void): () => void;
}

/**
 * Durable state. A promise that resolves means that the write survives `kill -9` and power loss. Writes of one turn
 * of the event loop may share a transaction; each still succeeds or fails alone. A write that is made again from what is there may survive a
 * power loss only once a later one is durable (`sqlite/operations/writes.ts` lists them).
 */
export interface Store
  extends TaskStore,
    OwnershipStore,
    MediaIndex,
    KeyStore,
    ProjectStore,
    AuditStore,
    LimitStore,
    EstimateStore,
    EventStore,
    WebhookStore,
    RetentionStore,
    QuotaStore {
  /** Undefined if the store has only one node, which keeps its limits in memory. */
  readonly sharedLimits: SharedLimitStore | undefined;
  /** A named secret of this installation. `make` creates its value the first time. */
  secret(name: string, make: () => string): Promise<string>;
  /**
   * Calls `listener` when another process (the command line) may have changed keys, or wants an account to be tried again. Returns a
   * function that unsubscribes.
   */
  onExternalChange(listener: () => void): () => void;
  /**
   * Number of rows that could not be parsed since the start. Each was set aside and logged as `store.row_unreadable`: reads of
   * several rows return the others, and a read of this row throws a 500.
   */
  unreadable(): number;
  /** Resolves if the store can be read and written. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** An account, for the operator. Times in milliseconds UTC. */
export interface AccountRow {
  readonly account: string;
  /** Consecutive failures; 0 if it works. */
  readonly failures: number;
  /** 0 if it is to be tried again at once. */
  readonly blockedUntil: number;
  readonly failedSince?: number;
  readonly reason?: string;
  /** The upstream's message. */
  readonly error?: string;
  readonly inFlight: number;
}

export interface AccountTrouble {
  /** Consecutive failures; 0 if it works again. */
  readonly failures: number;
  /** No submissions for this long, in milliseconds from now. */
  readonly waitMs: number;
  /** The reason, one of `REASONS`. */
  readonly reason?: string | undefined;
  /** The upstream's message, for the operator. */
  readonly error?: string;
}

export interface StoredTrouble extends AccountTrouble {
  readonly account: string;
  /** Counts the changes of the account's trouble. */
  readonly revision: number;
}

export interface StoredEstimate {
  /** The kind of job, at most a few hundred characters. */
  readonly kind: string;
  readonly data: string;
  /** Counts the writes. */
  readonly version: number;
  /** Milliseconds UTC, by the store's clock. */
  readonly updatedAt: number;
}

/** The place of an attempt whose job may still be in flight. */
export interface LingeringPlace {
  readonly account: string;
  readonly taskId: string;
  /** Milliseconds UTC. */
  readonly until: number;
}

export interface WrongCounter {
  readonly account: string;
  readonly was: number;
  readonly is: number;
}

/** A request for permits to call an upstream within a rate. */
export interface PermitRequest {
  readonly account: string;
  /** Which rate of the account: `submit`, `poll` or one of its adapter's. */
  readonly kind: string;
  /** How many calls are waiting; 0 only asks. */
  readonly wanted: number;
  readonly intervalMs: number;
  /** Permits that may be used at once after a pause, at least 1. */
  readonly burst: number;
  /** How much of a horizon this node gets at a time while nodes want more than there is: 0 … 1. */
  readonly part: number;
  /** This node has waited longer than its turn should take. It may reserve the next permit before it is due, and so before other nodes. */
  readonly overdue: boolean;
}

export interface PermitGrant {
  readonly account: string;
  readonly kind: string;
  readonly granted: number;
  /** Milliseconds until the first permit is due; the others follow in intervals. Negative if it was due before, as those of a burst. */
  readonly firstMs: number;
  readonly intervalMs: number;
  /** Milliseconds until asking again may bring more. */
  readonly againMs: number;
  /** Of the account, with every grant of kind `submit`. */
  readonly trouble?: StoredTrouble;
}

export interface Acceptance {
  readonly task: Task;
  readonly ledger: readonly LedgerRow[];
  readonly media: readonly MediaRow[];
  readonly idempotency?: IdempotencyRecord;
  /** The limits that it must fit into. Missing where there are none. */
  readonly quota?: Quota;
}

export interface IdempotencyRecord {
  readonly key: string;
  /** Hex SHA-256 of the request body. */
  readonly bodyHash: string;
  readonly expiresAt: number;
}

export type Accepted =
  | { readonly outcome: 'accepted' }
  /** The same key and body were accepted before: this is that task. */
  | { readonly outcome: 'replayed'; readonly task: Task }
  /** The key was used with another body. */
  | { readonly outcome: 'conflict' }
  /** A limit has too little left; nothing was written. */
  | OverLimit;

/** The task that was accepted with an idempotency key, and the hash of the request body. */
export interface AcceptedUnder {
  readonly task: Task;
  readonly bodyHash: string;
}

export interface TaskQuery {
  readonly projectId: string;
  readonly limit: number;
  /** Only tasks that follow this one in the list. */
  readonly after?: string;
  /** By default, the newest are the first. */
  readonly oldestFirst?: true;
  readonly status?: Status;
  readonly model?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface StoredLedgerRow extends LedgerRow {
  readonly taskId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly currency: string;
  readonly createdAt: number;
}

/** `file`: uploaded by a caller, to be used as an input. */
export type MediaKind = 'input' | 'video' | 'poster' | 'file';

export interface MediaRow {
  readonly id: string;
  readonly projectId: string;
  readonly taskId?: string;
  readonly kind: MediaKind;
  /** Where the bytes are in media storage. */
  readonly storageKey: string;
  readonly contentType: string;
  /** `pending`: the bytes may not be stored yet. `damaged`: the bytes are not those that were stored. */
  readonly state: 'pending' | 'present' | 'damaged';
  readonly bytes?: number;
  /** Hex SHA-256. */
  readonly sha256?: string;
  readonly createdAt: number;
  /** Milliseconds UTC after which the sweep removes bytes and row. */
  readonly expiresAt?: number;
  /** What the caller calls a file, and what it is for. */
  readonly name?: string;
  readonly purpose?: string;
}

export interface FileQuery {
  readonly projectId: string;
  readonly limit: number;
  /** Only files that follow the one with this media id in the list. */
  readonly after?: string;
  /** By default, the newest are the first. */
  readonly oldestFirst?: true;
  readonly purpose?: string;
  /** Milliseconds UTC. What has expired by then is not listed. */
  readonly now: number;
}
