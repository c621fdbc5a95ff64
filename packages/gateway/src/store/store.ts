import type { LedgerRow, Move } from '../tasks/lifecycle.ts';
import type { Status, Task } from '../tasks/task.ts';

/** Tasks with their attempts, ledger and idempotency records. */
export interface TaskStore {
  /** Task, hold, inputs and idempotency record in one transaction; the earlier task where the key was used before. */
  accept(acceptance: Acceptance): Promise<Accepted>;
  /** What `accept` would find under an idempotency key at `now` (milliseconds UTC), before anything is made for the request. */
  acceptedUnder(projectId: string, key: string, now: number): Promise<AcceptedUnder | undefined>;
  /**
   * Writes a move if the task still is in the phase and version it starts from (compare-and-set), with its ledger rows
   * and media rows. False: another driver was first, and nothing was written.
   */
  commit(move: Move, media?: readonly MediaRow[]): Promise<boolean>;
  /**
   * As `commit`, of a move that gives its attempt an upstream id, which an answer told or a search has found. `taken`: another attempt of the
   * account has that id, and nothing was written; of two that claim one id at once, on whatever nodes, one comes second.
   */
  claim(move: Move): Promise<'claimed' | 'taken' | 'lost'>;
  task(id: string): Promise<Task | undefined>;
  /** Those of the tasks that exist, in any order. */
  tasks(ids: readonly string[]): Promise<readonly Task[]>;
  /** The versions of those of the tasks that exist, of rows that cannot be read as well. */
  versions(ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  listTasks(query: TaskQuery): Promise<readonly Task[]>;
  /** Other tasks in phase `submitting` whose attempt is of the same account and upstream model, and whose prompt has the same `promptKey`. */
  submittingLike(task: Task): Promise<readonly Pick<Task, 'id' | 'version' | 'owner'>[]>;
  /** Tasks that expired since `since` while their upstream was still at work; the latest first. */
  expiredSince(since: number, limit: number): Promise<readonly Task[]>;
  /** Whether some attempt of the account, of any task, has this upstream id. */
  isKnownUpstream(accountId: string, upstreamId: string): Promise<boolean>;
  ledger(taskId: string): Promise<readonly StoredLedgerRow[]>;
  /** Forgets idempotency records past their time. */
  removeExpiredIdempotency(now: number, limit: number): Promise<number>;
}

/** Which node drives which unfinished task. */
export interface OwnershipStore {
  /** Makes `owner` the owner of up to `limit` unfinished tasks whose owner does not live any more, the oldest of an owner first. */
  adopt(owner: string, limit: number): Promise<readonly Task[]>;
  /** How many unfinished tasks each owner has. */
  loads(): Promise<ReadonlyMap<string, number>>;
  /** Up to `limit` unfinished tasks that `owner` owns, in the order of their ids, those above `after` alone. */
  owned(owner: string, limit: number, after?: string): Promise<readonly Task[]>;
  /**
   * Makes `to` the owner of those of the tasks that `from` still owns in these versions, and tells it. Resolves with the
   * ids of the tasks given away.
   */
  transfer(
    from: string,
    to: string,
    tasks: readonly Pick<Task, 'id' | 'version'>[],
  ): Promise<readonly string[]>;
}

/** What is stored of videos, posters and inputs. The bytes are in media storage. */
export interface MediaIndex {
  /** Writes media rows: before their bytes (`pending`), and again when they are there. What is there, or damaged, never becomes pending again. */
  putMedia(rows: readonly MediaRow[]): Promise<void>;
  media(id: string): Promise<MediaRow | undefined>;
  /** Where the bytes of those media rows are that exist, by their ids. */
  mediaKeys(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Rows that belong to a task. */
  mediaOf(taskId: string): Promise<readonly MediaRow[]>;
  /** Rows whose bytes may go, other than `except`: expired, or left pending by a crash since before `pendingBefore` and for no unfinished task. */
  sweepable(
    now: number,
    pendingBefore: number,
    limit: number,
    except?: readonly string[],
  ): Promise<readonly MediaRow[]>;
  removeMedia(ids: readonly string[]): Promise<void>;
  /** Notes that what is under a row's key is damaged. False where the row is gone, past its time, not present, or has another key by now. */
  markDamaged(id: string, storageKey: string, now: number): Promise<boolean>;
  /** Up to `limit` rows above `after` that are damaged, or posters left pending since before `before`; in the order of their ids. */
  mediaToRepair(before: number, after: string, limit: number): Promise<readonly MediaRow[]>;
  /** The present row that was written, or marked as checked, the longest ago, if that was before `before`. */
  mediaToCheck(before: number): Promise<MediaRow | undefined>;
  /** Notes that the bytes of a row were looked at. */
  markChecked(id: string, at: number): Promise<void>;
}

/** API keys. Each change writes a row of the audit log. */
export interface KeyStore {
  putKey(key: KeyRow, audit: AuditRow): Promise<void>;
  keyByHash(hash: string): Promise<KeyRow | undefined>;
  listKeys(): Promise<readonly KeyRow[]>;
  /**
   * The key as it is afterwards, or undefined where there is no such id. The last key with admin scope that is neither revoked
   * nor expired stays as it is, unless `force` says otherwise.
   */
  revokeKey(
    id: string,
    at: number,
    audit: AuditRow,
    options?: { readonly force?: boolean },
  ): Promise<KeyRow | undefined>;
  /** Takes a revocation back. */
  restoreKey(id: string, audit: AuditRow): Promise<void>;
}

/** What is known of upstream accounts, and how nodes share their limits. */
export interface LimitStore {
  /**
   * One node's report on upstream accounts, answered with what it may use of each from now on; all nodes together stay
   * within the limits. In the embedded store the one node has everything. Accounts are missing in the answer where the
   * node does not live any more, or a later report of its own was first.
   */
  shareAccounts(node: string, reports: readonly AccountReport[]): Promise<readonly AccountGrant[]>;
  /** What is known of accounts: those that ever failed, or have tasks upstream. */
  accounts(): Promise<readonly AccountRow[]>;
  /** Wants an account tried again that is left alone, by every node; false where it is not. */
  retryAccount(id: string, audit: AuditRow): Promise<boolean>;
}

/**
 * Durable state. A promise that resolves means that the write survives `kill -9` and power loss. Writes of one turn
 * of the event loop may share a transaction; each still succeeds or fails alone.
 */
export interface Store extends TaskStore, OwnershipStore, MediaIndex, KeyStore, LimitStore {
  /** A named secret of this installation; `make` gives it its value the first time. */
  secret(name: string, make: () => string): Promise<string>;
  /** Calls `listener` when another process (the command line) may have changed keys, or wants an account tried again. Returns the unsubscriber. */
  onExternalChange(listener: () => void): () => void;
  /**
   * Rows that could not be read since the start. Each was set aside, and logged as `store.row_unreadable`: whatever reads many
   * rows gives the others, what asks for this very one throws a 500.
   */
  unreadable(): number;
  /** Resolves if the store can be read and written. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** What a node tells of one account. */
export interface AccountReport {
  readonly account: string;
  /** The account's places. */
  readonly limit: number;
  /** The most tasks that this node will have in flight until it is granted more. */
  readonly places: number;
  /** Its part of the rates until it is granted more, in millionths. */
  readonly rate: number;
  readonly inUse: number;
  /** Tasks that wait for a place. */
  readonly waiting: number;
  /** One more after each report that was given up: an earlier one that arrives late is passed over. */
  readonly generation: number;
  /** News of the account's trouble, to be told to all nodes. */
  readonly trouble?: AccountTrouble;
}

/** An account, for the operator. Times in milliseconds UTC. */
export interface AccountRow {
  readonly account: string;
  /** Failures in a row; 0: it works. */
  readonly failures: number;
  /** 0 where it is to be tried again at once. */
  readonly blockedUntil: number;
  readonly failedSince?: number;
  readonly reason?: string;
  /** The upstream's words. */
  readonly error?: string;
  readonly inFlight: number;
}

export interface AccountTrouble {
  /** Failures in a row; 0: it works again. */
  readonly failures: number;
  /** No submits for so long, in milliseconds from now. */
  readonly waitMs: number;
  /** Why, in a word of ours. */
  readonly reason?: string | undefined;
  /** For the operator. */
  readonly error?: string;
}

/** What a node may use of one account, until its next report. */
export interface AccountGrant extends AccountTrouble {
  readonly account: string;
  readonly places: number;
  readonly rate: number;
  /** What it should have: it starts nothing beyond this, and gives back what it holds beyond it. */
  readonly fairPlaces: number;
  readonly fairRate: number;
  /** It could use more, and others hold more than they should. */
  readonly lacking: boolean;
  /** Others could use more than they have. */
  readonly wanted: boolean;
  /** What the living nodes before this one have of the rates, in millionths: whose turn it is goes by it. */
  readonly rateBefore: number;
  /** The database's clock, milliseconds UTC. */
  readonly at: number;
  /** Counts the changes of the account's trouble. */
  readonly revision: number;
}

export interface Acceptance {
  readonly task: Task;
  readonly ledger: readonly LedgerRow[];
  readonly media: readonly MediaRow[];
  readonly idempotency?: IdempotencyRecord;
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
  | { readonly outcome: 'conflict' };

/** The task that an idempotency key stands for, and the body that it was used with. */
export interface AcceptedUnder {
  readonly task: Task;
  readonly bodyHash: string;
}

export interface TaskQuery {
  readonly projectId: string;
  readonly limit: number;
  /** Only tasks with an id below this one (ids sort by time). */
  readonly before?: string;
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

export type MediaKind = 'input' | 'video' | 'poster';

export interface MediaRow {
  readonly id: string;
  readonly projectId: string;
  readonly taskId?: string;
  readonly kind: MediaKind;
  /** Where the bytes are in media storage. */
  readonly storageKey: string;
  readonly contentType: string;
  /** `pending`: the row is there, the bytes perhaps not. `damaged`: the bytes are not those that were stored. */
  readonly state: 'pending' | 'present' | 'damaged';
  readonly bytes?: number;
  /** Hex SHA-256. */
  readonly sha256?: string;
  readonly createdAt: number;
  /** Milliseconds UTC after which the sweep removes bytes and row. */
  readonly expiresAt?: number;
}

export type Scope = 'generate' | 'admin';

export interface KeyRow {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  /** The first characters, for people to tell keys apart. */
  readonly prefix: string;
  /** Hex SHA-256 of the whole key, which is stored nowhere. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}

export interface AuditRow {
  readonly at: number;
  /** Key id, or `cli` or `bootstrap`. */
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
}
