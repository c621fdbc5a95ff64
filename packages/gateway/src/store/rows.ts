import type { VideoRequest } from '../tasks/request.ts';
import { type Attempt, type AttemptOutcome, PHASES, type Phase, type Task } from '../tasks/task.ts';
import type { KeyRow, MediaKind, MediaRow, Scope, StoredLedgerRow } from './store.ts';

/** The tables as SQL sees them, and their translation to the domain. Shared by every dialect. */
export interface TaskColumns {
  id: string;
  project_id: string;
  key_id: string;
  model: string;
  request: string;
  phase: string;
  version: number;
  owner: string;
  attempt: number;
  created_at: number;
  started_at: number | null;
  completed_at: number | null;
  deadline_at: number;
  cancel_requested_at: number | null;
  not_before: number | null;
  price: string;
  result: string | null;
  error: string | null;
  deleted_at: number | null;
}

export interface AttemptColumns {
  task_id: string;
  number: number;
  account_id: string;
  idempotency_key: string;
  upstream_model: string;
  intended_at: number;
  intended_there_at: number | null;
  upstream_id: string | null;
  submitted_at: number | null;
  ended_at: number | null;
  outcome: string | null;
  detail: string | null;
  upstream_result: string | null;
}

export interface MediaColumns {
  id: string;
  project_id: string;
  task_id: string | null;
  kind: string;
  storage_key: string;
  content_type: string;
  state: string;
  bytes: number | null;
  sha256: string | null;
  created_at: number;
  expires_at: number | null;
}

export interface KeyColumns {
  id: string;
  project_id: string;
  name: string;
  prefix: string;
  hash: string;
  scopes: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
}

export interface LedgerColumns {
  task_id: string;
  kind: StoredLedgerRow['kind'];
  project_id: string;
  key_id: string;
  amount_micros: number;
  currency: string;
  created_at: number;
}

/** A task row joined with its latest attempt's columns, which are null before the first. */
export type TaskWithAttempt = TaskColumns & {
  [K in keyof AttemptColumns as `a_${K}`]: AttemptColumns[K] | null;
};

export function taskColumns(task: Task): TaskColumns {
  return {
    id: task.id,
    project_id: task.projectId,
    key_id: task.keyId,
    model: task.request.model,
    request: JSON.stringify(task.request),
    phase: task.phase,
    version: task.version,
    owner: task.owner,
    attempt: task.attempt?.number ?? 0,
    created_at: task.createdAt,
    started_at: task.startedAt ?? null,
    completed_at: task.completedAt ?? null,
    deadline_at: task.deadlineAt,
    cancel_requested_at: task.cancelRequestedAt ?? null,
    not_before: task.notBefore ?? null,
    price: JSON.stringify(task.price),
    result: task.result ? JSON.stringify(task.result) : null,
    error: task.error ? JSON.stringify(task.error) : null,
    deleted_at: task.deletedAt ?? null,
  };
}

export function attemptColumns(taskId: string, attempt: Attempt): AttemptColumns {
  return {
    task_id: taskId,
    number: attempt.number,
    account_id: attempt.accountId,
    idempotency_key: attempt.idempotencyKey,
    upstream_model: attempt.upstreamModel,
    intended_at: attempt.intendedAt,
    intended_there_at: attempt.intendedThereAt ?? null,
    upstream_id: attempt.upstreamId ?? null,
    submitted_at: attempt.submittedAt ?? null,
    ended_at: attempt.endedAt ?? null,
    outcome: attempt.outcome ?? null,
    detail: attempt.detail ?? null,
    upstream_result: attempt.upstreamResult ? JSON.stringify(attempt.upstreamResult) : null,
  };
}

/** Drops nulls: absent in the domain means no member at all. */
function present<T extends object>(members: { [K in keyof T]: T[K] | null }): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null)) as Partial<T>;
}

/** Members that a stored object must have, by their types: without them whoever uses it would fail later, and for all. */
type Shape = Readonly<Record<string, 'string' | 'number'>>;

const REQUEST: Shape = { model: 'string', prompt: 'string', duration: 'number' };
const PRICE: Shape = { currency: 'string', microsPerSecond: 'number', holdMicros: 'number' };
const RESULT: Shape = { videoId: 'string', duration: 'number', expiresAt: 'number', costMicros: 'number' };
const ERROR: Shape = { code: 'number', reason: 'string', message: 'string' };
const UPSTREAM_RESULT: Shape = { ref: 'string' };

/** Throws where a column does not hold such an object. */
function stored<T>(column: string, shape: Shape, text: string): T {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${column} is not a JSON object`);
  for (const [name, type] of Object.entries(shape)) {
    if (typeof Reflect.get(value, name) !== type) throw new TypeError(`${column} has no ${type} "${name}"`);
  }
  return value as T;
}

const storedOrNull = <T>(column: string, shape: Shape, text: string | null): T | null =>
  text === null ? null : stored(column, shape, text);

/** Throws where the text is no request. */
export const requestOf = (text: string): VideoRequest => stored('request', REQUEST, text);

function phaseOf(text: string): Phase {
  const phase = PHASES.find((known) => known === text);
  if (phase === undefined) throw new TypeError(`phase "${text}" is not known`);
  return phase;
}

function scopesOf(text: string): Scope[] {
  const scopes: unknown = JSON.parse(text);
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string'))
    throw new TypeError('scopes is not a JSON array of words');
  return scopes as Scope[];
}

/** SQLite keeps what it is given, whatever the type of the column. Throws where one of these holds no number. */
function requireNumbers<Row extends object>(row: Row, columns: readonly (keyof Row & string)[]): void {
  for (const column of columns) {
    const value: unknown = row[column];
    if (typeof value !== 'number' && value !== null) throw new TypeError(`${column} is not a number`);
  }
}

const TASK_NUMBERS = [
  'version',
  'created_at',
  'deadline_at',
  'started_at',
  'completed_at',
  'cancel_requested_at',
  'deleted_at',
  'a_number',
  'a_intended_at',
  'a_submitted_at',
  'a_ended_at',
] as const satisfies (keyof TaskWithAttempt)[];
const MEDIA_NUMBERS = ['bytes', 'created_at', 'expires_at'] as const satisfies (keyof MediaColumns)[];
const KEY_NUMBERS = ['created_at', 'expires_at', 'revoked_at'] as const satisfies (keyof KeyColumns)[];
/** `video/<name>.mp4`: anything else leads out of the place where media is. */
const STORAGE_KEY = /^[a-z]+\/[\w-]+\.\w+$/;

export function taskFromColumns(row: TaskWithAttempt): Task {
  requireNumbers(row, TASK_NUMBERS);
  return {
    id: row.id,
    projectId: row.project_id,
    keyId: row.key_id,
    request: requestOf(row.request),
    phase: phaseOf(row.phase),
    version: row.version,
    owner: row.owner,
    createdAt: row.created_at,
    deadlineAt: row.deadline_at,
    price: stored('price', PRICE, row.price),
    ...present<Partial<Task>>({
      startedAt: row.started_at,
      completedAt: row.completed_at,
      cancelRequestedAt: row.cancel_requested_at,
      notBefore: row.not_before,
      attempt: attemptFromColumns(row),
      result: storedOrNull('result', RESULT, row.result),
      error: storedOrNull('error', ERROR, row.error),
      deletedAt: row.deleted_at,
    }),
  };
}

function attemptFromColumns(row: TaskWithAttempt): Attempt | null {
  if (row.a_number === null || row.a_account_id === null || row.a_idempotency_key === null) return null;
  return {
    number: row.a_number,
    accountId: row.a_account_id,
    idempotencyKey: row.a_idempotency_key,
    upstreamModel: row.a_upstream_model ?? '',
    intendedAt: row.a_intended_at ?? 0,
    ...present<Partial<Attempt>>({
      intendedThereAt: row.a_intended_there_at,
      upstreamId: row.a_upstream_id,
      submittedAt: row.a_submitted_at,
      endedAt: row.a_ended_at,
      outcome: row.a_outcome as AttemptOutcome | null,
      detail: row.a_detail,
      upstreamResult: storedOrNull('upstream_result', UPSTREAM_RESULT, row.a_upstream_result),
    }),
  };
}

export function mediaColumns(row: MediaRow): MediaColumns {
  return {
    id: row.id,
    project_id: row.projectId,
    task_id: row.taskId ?? null,
    kind: row.kind,
    storage_key: row.storageKey,
    content_type: row.contentType,
    state: row.state,
    bytes: row.bytes ?? null,
    sha256: row.sha256 ?? null,
    created_at: row.createdAt,
    expires_at: row.expiresAt ?? null,
  };
}

export function mediaFromColumns(row: MediaColumns): MediaRow {
  requireNumbers(row, MEDIA_NUMBERS);
  if (!STORAGE_KEY.test(row.storage_key)) throw new TypeError('storage_key is no key of media');
  return {
    id: row.id,
    projectId: row.project_id,
    kind: row.kind as MediaKind,
    storageKey: row.storage_key,
    contentType: row.content_type,
    state: row.state as MediaRow['state'],
    createdAt: row.created_at,
    ...present<Partial<MediaRow>>({
      taskId: row.task_id,
      bytes: row.bytes,
      sha256: row.sha256,
      expiresAt: row.expires_at,
    }),
  };
}

export function keyColumns(key: KeyRow): KeyColumns {
  return {
    id: key.id,
    project_id: key.projectId,
    name: key.name,
    prefix: key.prefix,
    hash: key.hash,
    scopes: JSON.stringify(key.scopes),
    created_at: key.createdAt,
    expires_at: key.expiresAt ?? null,
    revoked_at: key.revokedAt ?? null,
  };
}

export function keyFromColumns(row: KeyColumns): KeyRow {
  requireNumbers(row, KEY_NUMBERS);
  return {
    id: row.id,
    projectId: row.project_id,
    name: row.name,
    prefix: row.prefix,
    hash: row.hash,
    scopes: scopesOf(row.scopes),
    createdAt: row.created_at,
    ...present<Partial<KeyRow>>({ expiresAt: row.expires_at, revokedAt: row.revoked_at }),
  };
}

export function ledgerFromColumns(row: LedgerColumns): StoredLedgerRow {
  return {
    taskId: row.task_id,
    kind: row.kind,
    projectId: row.project_id,
    keyId: row.key_id,
    amountMicros: row.amount_micros,
    currency: row.currency,
    createdAt: row.created_at,
  };
}
