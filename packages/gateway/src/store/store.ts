import type { LedgerRow, Move } from '../tasks/lifecycle.ts';
import type { Status, Task } from '../tasks/task.ts';

/**
 * Durable state. A promise that resolves means that the write survives `kill -9` and power loss. Writes of one turn
 * of the event loop may share a transaction; each still succeeds or fails alone.
 */
export interface Store {
  /** Task, hold, inputs and idempotency record in one transaction; the earlier task where the key was used before. */
  accept(acceptance: Acceptance): Promise<Accepted>;
  /**
   * Writes a move if the task still is in the phase and version it starts from (compare-and-set), with its ledger rows
   * and media rows. False: another driver was first, and nothing was written.
   */
  commit(move: Move, media?: readonly MediaRow[]): Promise<boolean>;

  task(id: string): Promise<Task | undefined>;
  listTasks(query: TaskQuery): Promise<readonly Task[]>;
  /** Makes `owner` the driver of up to `limit` unfinished tasks that have another owner, oldest first. */
  adopt(owner: string, limit: number): Promise<readonly Task[]>;
  ledger(taskId: string): Promise<readonly StoredLedgerRow[]>;
  /** Tasks that expired since `since` while their upstream was still at work; the latest first. */
  expiredSince(since: number, limit: number): Promise<readonly Task[]>;
  /** Whether some attempt of the account, of any task, has this upstream id. */
  isKnownUpstream(accountId: string, upstreamId: string): Promise<boolean>;

  /** Writes media rows: before their bytes (`pending`), and again when they are there. */
  putMedia(rows: readonly MediaRow[]): Promise<void>;
  media(id: string): Promise<MediaRow | undefined>;
  /** Rows whose bytes may go: expired, or left pending by a crash since before `pendingBefore`. */
  sweepable(now: number, pendingBefore: number, limit: number): Promise<readonly MediaRow[]>;
  /** Rows that belong to a task. */
  mediaOf(taskId: string): Promise<readonly MediaRow[]>;
  removeMedia(ids: readonly string[]): Promise<void>;
  /** Forgets idempotency records past their time. */
  removeExpiredIdempotency(now: number, limit: number): Promise<number>;

  putKey(key: KeyRow, audit: AuditRow): Promise<void>;
  keyByHash(hash: string): Promise<KeyRow | undefined>;
  listKeys(): Promise<readonly KeyRow[]>;
  /** The key after revocation, or undefined where there is no such id. */
  revokeKey(id: string, at: number, audit: AuditRow): Promise<KeyRow | undefined>;

  /** A named secret of this installation; `make` gives it its value the first time. */
  secret(name: string, make: () => string): Promise<string>;

  /** Calls `listener` when another process (the command line) may have changed keys. Returns the unsubscriber. */
  onForeignChange(listener: () => void): () => void;
  /** Resolves if the store can be read and written. */
  check(): Promise<void>;
  close(): Promise<void>;
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
  /** `pending`: the row is there, the bytes perhaps not. */
  readonly state: 'pending' | 'present';
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
