import type { CountedLimits } from '../tasks/quota.ts';
/** What a project, or a key of it, may use. Whatever is missing has no limit. */
export interface Limits extends CountedLimits {
  readonly requestsPerMinute?: number;
}

export const SCOPES = ['generate', 'read', 'admin', 'billing'] as const;
/** What a key may do: `generate` includes `read`. */
export type Scope = (typeof SCOPES)[number];

export interface KeyRow {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  /** The first characters, so that people can tell keys apart. */
  readonly prefix: string;
  /** Hex SHA-256 of the whole key. The key itself is not stored. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  /** The models that it may use, by ids in which `*` stands for any characters. By default all. */
  readonly models?: readonly string[];
  /** Besides those of the project. */
  readonly limits?: Limits;
  /** Metadata of each of its tasks that does not say otherwise. Before those of the project. */
  readonly defaultMetadata?: Readonly<Record<string, string>>;
  /** The first of the keys that were made from each other by rotation: limits count for all of them together. Missing: this one. */
  readonly family?: string;
  /** The key that it was rotated to. */
  readonly replacedBy?: string;
}

/** The id under which the use of a key is counted for its limits: the same after a rotation. */
export const familyOf = ({ family, id }: KeyRow): string => family ?? id;

export interface AuditRow {
  readonly at: number;
  /** Key id, or `cli` or `bootstrap`. */
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  /** What was done to it, without secrets. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Whom tasks, keys, webhooks and files belong to. */
export interface ProjectRow {
  /** What callers and keys name it by. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  /** Since then it takes no new tasks. */
  readonly archivedAt?: number;
  /** What all of its keys may use together. */
  readonly limits?: Limits;
  /** Metadata of each of its tasks that does not say otherwise. */
  readonly defaultMetadata?: Readonly<Record<string, string>>;
}

/** A key, with the project of its caller. */
export interface KeyWithProject extends KeyRow {
  readonly project: ProjectRow;
}

/** What a change may contain; `undefined` removes a member. */
type ChangesOf<T, K extends keyof T> = { readonly [M in K]?: T[M] | undefined };

export type ProjectChanges = ChangesOf<ProjectRow, 'name' | 'archivedAt' | 'limits' | 'defaultMetadata'>;
export type KeyChanges = ChangesOf<
  KeyRow,
  'name' | 'scopes' | 'expiresAt' | 'models' | 'limits' | 'defaultMetadata'
>;

/**
 * A key after a change. `last_admin`: nothing was changed, because a time would come when nobody can create a key. `replaced`: nothing was
 * changed, because the key was rotated and would have lasted longer.
 */
export type KeyChanged =
  | { readonly outcome: 'changed' | 'last_admin' | 'replaced'; readonly key: KeyRow }
  | { readonly outcome: 'not_found' };

/** `invalid`: the key was revoked, has expired, or was rotated before, and nothing was changed. */
export type KeyRotated =
  | { readonly outcome: 'rotated'; readonly key: KeyRow; readonly next: KeyRow }
  | { readonly outcome: 'invalid'; readonly key: KeyRow }
  | { readonly outcome: 'not_found' };

/** What tells a key from the one that it replaces. */
export type KeyIdentity = Pick<KeyRow, 'id' | 'prefix' | 'hash' | 'createdAt'>;

/** API keys. Each change writes a row of the audit log. */
export interface KeyStore {
  /** Creates the project of the key as well if there is none, which is another row of the audit log. */
  putKey(key: KeyRow, audit: AuditRow): Promise<void>;
  keyByHash(hash: string): Promise<KeyWithProject | undefined>;
  listKeys(): Promise<readonly KeyRow[]>;
  /**
   * Resolves with the key as it is afterwards; undefined if there is no such id. A working key with admin scope is not revoked if no other, that was
   * not rotated, lasts as long, unless `force` is set.
   */
  revokeKey(
    id: string,
    at: number,
    audit: AuditRow,
    options?: { readonly force?: boolean },
  ): Promise<KeyRow | undefined>;
  /**
   * Changes a key. Unless `force` is set, a key with admin scope that works at `at` remains one for as long as before if no other, that was not
   * rotated, lasts as long; and a key that was rotated does not last longer. The row of the audit log says what was changed; there is none if
   * everything was so before.
   */
  changeKey(
    id: string,
    changes: KeyChanges,
    audit: AuditRow,
    options: { readonly at: number; readonly force?: boolean },
  ): Promise<KeyChanged>;
  /** Writes a key that may do the same as another one and replaces it, which expires at `until` at the latest (milliseconds UTC), as of `at`. */
  rotateKey(
    id: string,
    next: KeyIdentity,
    audit: AuditRow,
    times: { readonly at: number; readonly until: number },
  ): Promise<KeyRotated>;
  /** Undoes a revocation. */
  restoreKey(id: string, audit: AuditRow): Promise<void>;
}

/** Projects. Each change writes a row of the audit log, which says what was changed. */
export interface ProjectStore {
  /** False if there is one with this id; then nothing was written. */
  putProject(project: ProjectRow, audit: AuditRow): Promise<boolean>;
  project(id: string): Promise<ProjectRow | undefined>;
  /** In the order of their ids. */
  listProjects(): Promise<readonly ProjectRow[]>;
  /** Resolves with the project as it is afterwards; undefined if there is no such id. */
  changeProject(id: string, changes: ProjectChanges, audit: AuditRow): Promise<ProjectRow | undefined>;
}

export interface AuditQuery {
  readonly limit: number;
  /** Only rows that are older than the one with this id. */
  readonly after?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
  /** Milliseconds UTC. */
  readonly from?: number;
  /** Milliseconds UTC; rows of this time are not meant. */
  readonly to?: number;
}

export interface StoredAuditRow extends AuditRow {
  /** Digits. Later rows have greater numbers. */
  readonly id: string;
}

/** What was done by operators and administrators. Every store of rows that they change writes to it. */
export interface AuditStore {
  /** The newest first. */
  audit(query: AuditQuery): Promise<readonly StoredAuditRow[]>;
}

/** The members that a change makes other than they were: what they were, and what they are. Null stands for what is missing. */
type Difference = Readonly<Record<string, readonly [before: unknown, after: unknown]>>;

/**
 * A stored object after a change, and what the change makes different; undefined if that is nothing.
 */
export function applyChanges<T extends object>(
  before: T,
  changes: { readonly [K in keyof T]?: T[K] | undefined },
): { readonly after: T; readonly difference: Difference } | undefined {
  const after = { ...before } as Record<string, unknown>;
  const difference: Record<string, readonly [unknown, unknown]> = {};
  for (const [member, value] of Object.entries(changes)) {
    const was: unknown = after[member];
    if (JSON.stringify(was) === JSON.stringify(value)) continue;
    if (value === undefined) delete after[member];
    else after[member] = value;
    difference[member] = [was ?? null, value ?? null];
  }
  if (Object.keys(difference).length === 0) return undefined;
  return { after: after as T, difference };
}

/** Whether a key has admin scope and is accepted at a time (milliseconds UTC). */
const isWorkingAdmin = ({ scopes, revokedAt, expiresAt }: KeyRow, now: number): boolean =>
  scopes.includes('admin') && revokedAt === undefined && (expiresAt === undefined || expiresAt > now);

/** The row of the audit log for a project that was created with the key of another row. */
export const ofItsProject = ({ at, actor }: AuditRow, projectId: string): AuditRow => ({
  at,
  actor,
  action: 'project.created',
  subject: projectId,
});

/** A key once another one has replaced it, which happens at `at`, and that one; undefined if it may not be replaced. */
export function rotated(
  key: KeyRow,
  next: KeyIdentity,
  at: number,
  until: number,
): { readonly former: KeyRow; readonly next: KeyRow } | undefined {
  const { revokedAt, replacedBy, ...kept } = key;
  const { id, prefix, hash, createdAt } = next;
  const end = endOf(key);
  if (revokedAt !== undefined || replacedBy !== undefined || end <= at) return undefined;
  return {
    former: { ...key, replacedBy: id, expiresAt: Math.min(end, until) },
    next: { ...kept, id, prefix, hash, createdAt, family: key.family ?? key.id },
  };
}

const endOf = ({ expiresAt = Number.POSITIVE_INFINITY }: KeyRow): number => expiresAt;

/** Whether a change would make a key that was rotated last longer. */
export const outlives = (before: KeyRow, after: KeyRow): boolean =>
  before.replacedBy !== undefined && endOf(after) > endOf(before);

/** What stands for a key without an end where times are compared: later than any. Milliseconds UTC. */
export const NO_END = Number.MAX_SAFE_INTEGER;

/**
 * Until when another key with admin scope must last for a change of this one to be allowed (milliseconds UTC): as long as this one did.
 * Undefined if the change takes no administrator away. One that was rotated ends soon, and does not count.
 */
export function adminNeededUntil(before: KeyRow, after: KeyRow, at: number): number | undefined {
  if (!isWorkingAdmin(before, at) || before.replacedBy !== undefined) return undefined;
  const goesSooner = !isWorkingAdmin(after, at) || endOf(after) < endOf(before);
  return goesSooner ? (before.expiresAt ?? NO_END) : undefined;
}
