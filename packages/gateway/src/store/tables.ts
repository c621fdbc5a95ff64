import { EVENT_TYPES, type TaskEvent } from '../tasks/events.ts';
import { readStored, type VideoRequest } from '../tasks/request.ts';
import { type Attempt, PHASES, type Task } from '../tasks/task.ts';
import type { AuditRow, KeyRow, KeyWithProject, ProjectRow, StoredAuditRow } from './projects.ts';
import type { MediaRow, StoredLedgerRow } from './store.ts';
import {
  type ClaimedDelivery,
  DELIVERY_STATES,
  type Delivery,
  type DeliveryOutcome,
  DISABLED_REASONS,
  type EndpointChanges,
  SIGNATURES,
  TEST_EVENT,
  type WebhookEndpoint,
  type WebhookSecret,
} from './webhooks.ts';

/** Members that a stored JSON object must have, with their types. Without this check, code that uses them would fail later. */
interface Shape {
  readonly [member: string]: 'string' | 'number' | Shape;
}

/** One column of a table. Statements, types of rows, and the mapping between rows and objects are derived from it. */
interface Column<T> {
  readonly type: 'text' | 'integer' | 'bigint';
  /** The member that it stores. A column without one is only written, with the value of `of`. */
  readonly member?: keyof T & string;
  readonly of?: (stored: T) => string | number;
  /** The member may be missing: NULL. */
  readonly optional?: true;
  /** Stored as JSON: an object of this shape, or an array of strings. */
  readonly json?: Shape | 'strings';
  /** Throws if the value is not allowed. */
  readonly check?: (value: string) => void;
  /** Turns what an earlier version stored as JSON into what this one stores. */
  readonly upgrade?: (stored: never) => unknown;
  /** Updated when the row changes, to SQL's value if it is given. All other columns keep their inserted values. */
  readonly changes?: true | string;
}

type Columns<T> = Readonly<Record<string, Column<T>>>;
type Stored<C> = { [K in keyof C]: C[K] extends { member: infer M } ? M : never }[keyof C];

/** Defines a table whose rows store a `T`. */
const table =
  <T>() =>
  <const C extends Columns<T>>(columns: C): C =>
    columns;

/**
 * Returns the table as it is. Does not compile if a member of `T` has no column: the error names the member. `Elsewhere` names
 * members that are stored elsewhere.
 */
const complete =
  <T, Elsewhere extends keyof T = never>() =>
  <C>(columns: C & WithoutGaps<Exclude<keyof T, Stored<C> | Elsewhere>>): C =>
    columns;

type WithoutGaps<Missing> = [Missing] extends [never] ? unknown : { readonly 'no column stores': Missing };

type Value<C> =
  | (C extends { readonly type: 'text' } ? string : number)
  | (C extends { readonly optional: true } ? null : never);
/** A row as the database drivers return it. */
type RowOf<C> = { [K in keyof C]: Value<C[K]> };

const requireIn =
  (words: readonly string[], name: string) =>
  (value: string): void => {
    if (!words.includes(value)) throw new TypeError(`${name} "${value}" is not known`);
  };

/** `video/<name>.mp4`. Any other form could lead out of the media storage. */
const STORAGE_KEY = /^[a-z]+\/[\w-]+\.\w+$/;

export const TASKS = complete<Task, 'attempt'>()(
  table<Task>()({
    id: { type: 'text', member: 'id' },
    project_id: { type: 'text', member: 'projectId' },
    key_id: { type: 'text', member: 'keyId' },
    /** For lists by model. */
    model: { type: 'text', of: ({ request }) => request.model },
    request: {
      type: 'text',
      member: 'request',
      json: { model: 'string', prompt: 'string', duration: 'number' },
      upgrade: readStored,
      changes: true,
    },
    phase: { type: 'text', member: 'phase', check: requireIn(PHASES, 'phase'), changes: true },
    version: { type: 'bigint', member: 'version', changes: true },
    owner: { type: 'text', member: 'owner' },
    /** The number of the latest attempt; 0 before the first. */
    attempt: { type: 'integer', of: ({ attempt }) => attempt?.number ?? 0, changes: true },
    created_at: { type: 'bigint', member: 'createdAt' },
    started_at: { type: 'bigint', member: 'startedAt', optional: true, changes: true },
    completed_at: { type: 'bigint', member: 'completedAt', optional: true, changes: true },
    deadline_at: { type: 'bigint', member: 'deadlineAt' },
    cancel_requested_at: { type: 'bigint', member: 'cancelRequestedAt', optional: true, changes: true },
    price: {
      type: 'text',
      member: 'price',
      json: { currency: 'string', microsPerSecond: 'number', holdMicros: 'number' },
    },
    result: {
      type: 'text',
      member: 'result',
      json: { videoId: 'string', duration: 'number', expiresAt: 'number', costMicros: 'number' },
      optional: true,
      changes: true,
    },
    error: {
      type: 'text',
      member: 'error',
      json: { code: 'number', reason: 'string', message: 'string' },
      optional: true,
      changes: true,
    },
    deleted_at: { type: 'bigint', member: 'deletedAt', optional: true, changes: true },
  }),
);

/** An attempt and the task that it belongs to. */
type StoredAttempt = Attempt & { readonly taskId: string };

export const ATTEMPTS = complete<StoredAttempt>()(
  table<StoredAttempt>()({
    task_id: { type: 'text', member: 'taskId' },
    number: { type: 'integer', member: 'number' },
    account_id: { type: 'text', member: 'accountId' },
    server: { type: 'text', member: 'server', optional: true },
    idempotency_key: { type: 'text', member: 'idempotencyKey' },
    upstream_model: { type: 'text', member: 'upstreamModel' },
    find_version: { type: 'text', member: 'findVersion', optional: true },
    intended_at: { type: 'bigint', member: 'intendedAt' },
    intended_there_at: { type: 'bigint', member: 'intendedThereAt', optional: true },
    upstream_id: { type: 'text', member: 'upstreamId', optional: true, changes: true },
    submitted_at: { type: 'bigint', member: 'submittedAt', optional: true, changes: true },
    ended_at: { type: 'bigint', member: 'endedAt', optional: true, changes: true },
    outcome: { type: 'text', member: 'outcome', optional: true, changes: true },
    detail: { type: 'text', member: 'detail', optional: true, changes: true },
    upstream_result: {
      type: 'text',
      member: 'upstreamResult',
      json: { ref: 'string' },
      optional: true,
      changes: true,
    },
    place_until: {
      type: 'bigint',
      member: 'placeUntil',
      optional: true,
      // Set with the outcome, and only lowered afterwards: a driver may not know that the place is free by now.
      changes: `case when attempts.outcome is null or excluded.place_until < attempts.place_until
        then excluded.place_until else attempts.place_until end`,
    },
  }),
);

export const MEDIA = complete<MediaRow>()(
  table<MediaRow>()({
    id: { type: 'text', member: 'id' },
    project_id: { type: 'text', member: 'projectId' },
    task_id: { type: 'text', member: 'taskId', optional: true, changes: true },
    kind: { type: 'text', member: 'kind' },
    storage_key: {
      type: 'text',
      member: 'storageKey',
      check(value) {
        if (!STORAGE_KEY.test(value)) throw new TypeError('storage_key is not a media key');
      },
      changes: true,
    },
    content_type: { type: 'text', member: 'contentType', changes: true },
    state: { type: 'text', member: 'state', changes: true },
    bytes: { type: 'bigint', member: 'bytes', optional: true, changes: true },
    sha256: { type: 'text', member: 'sha256', optional: true, changes: true },
    created_at: { type: 'bigint', member: 'createdAt' },
    expires_at: { type: 'bigint', member: 'expiresAt', optional: true, changes: true },
    name: { type: 'text', member: 'name', optional: true, changes: true },
    purpose: { type: 'text', member: 'purpose', optional: true, changes: true },
  }),
);

export const KEYS = complete<KeyRow>()(
  table<KeyRow>()({
    id: { type: 'text', member: 'id' },
    project_id: { type: 'text', member: 'projectId' },
    name: { type: 'text', member: 'name', changes: true },
    prefix: { type: 'text', member: 'prefix' },
    hash: { type: 'text', member: 'hash' },
    scopes: { type: 'text', member: 'scopes', json: 'strings', changes: true },
    created_at: { type: 'bigint', member: 'createdAt' },
    expires_at: { type: 'bigint', member: 'expiresAt', optional: true, changes: true },
    revoked_at: { type: 'bigint', member: 'revokedAt', optional: true },
    models: { type: 'text', member: 'models', json: 'strings', optional: true, changes: true },
    limits: { type: 'text', member: 'limits', json: {}, optional: true, changes: true },
    default_metadata: { type: 'text', member: 'defaultMetadata', json: {}, optional: true, changes: true },
    family: { type: 'text', member: 'family', optional: true },
    replaced_by: { type: 'text', member: 'replacedBy', optional: true, changes: true },
  }),
);

export const PROJECTS = complete<ProjectRow>()(
  table<ProjectRow>()({
    id: { type: 'text', member: 'id' },
    name: { type: 'text', member: 'name', changes: true },
    created_at: { type: 'bigint', member: 'createdAt' },
    archived_at: { type: 'bigint', member: 'archivedAt', optional: true, changes: true },
    limits: { type: 'text', member: 'limits', json: {}, optional: true, changes: true },
    default_metadata: { type: 'text', member: 'defaultMetadata', json: {}, optional: true, changes: true },
  }),
);

export const AUDIT = complete<AuditRow>()(
  table<AuditRow>()({
    at: { type: 'bigint', member: 'at' },
    actor: { type: 'text', member: 'actor' },
    action: { type: 'text', member: 'action' },
    subject: { type: 'text', member: 'subject' },
    detail: { type: 'text', member: 'detail', json: {}, optional: true },
  }),
);

export const LEDGER = complete<StoredLedgerRow>()(
  table<StoredLedgerRow>()({
    task_id: { type: 'text', member: 'taskId' },
    kind: { type: 'text', member: 'kind' },
    project_id: { type: 'text', member: 'projectId' },
    key_id: { type: 'text', member: 'keyId' },
    amount_micros: { type: 'bigint', member: 'amountMicros' },
    currency: { type: 'text', member: 'currency' },
    created_at: { type: 'bigint', member: 'createdAt' },
  }),
);

export const EVENTS = complete<TaskEvent>()(
  table<TaskEvent>()({
    id: { type: 'text', member: 'id' },
    project_id: { type: 'text', member: 'projectId' },
    key_id: { type: 'text', member: 'keyId' },
    task_id: { type: 'text', member: 'taskId' },
    type: { type: 'text', member: 'type', check: requireIn(EVENT_TYPES, 'type') },
    model: { type: 'text', of: ({ task }) => task.request.model },
    at: { type: 'bigint', member: 'at' },
    task: {
      type: 'text',
      member: 'task',
      json: {
        id: 'string',
        phase: 'string',
        createdAt: 'number',
        request: { model: 'string', duration: 'number', width: 'number', height: 'number' },
        price: { currency: 'string' },
      },
    },
  }),
);

export const ENDPOINTS = complete<WebhookEndpoint>()(
  table<WebhookEndpoint>()({
    id: { type: 'text', member: 'id' },
    project_id: { type: 'text', member: 'projectId' },
    url: { type: 'text', member: 'url', changes: true },
    events: { type: 'text', member: 'events', json: 'strings', optional: true, changes: true },
    models: { type: 'text', member: 'models', json: 'strings', optional: true, changes: true },
    signature: { type: 'text', member: 'signature', check: requireIn(SIGNATURES, 'signature') },
    description: { type: 'text', member: 'description', optional: true, changes: true },
    disabled_reason: {
      type: 'text',
      member: 'disabledReason',
      check: requireIn(DISABLED_REASONS, 'disabled_reason'),
      optional: true,
      changes: true,
    },
    created_at: { type: 'bigint', member: 'createdAt' },
  }),
);

export const WEBHOOK_SECRETS = complete<WebhookSecret>()(
  table<WebhookSecret>()({
    project_id: { type: 'text', member: 'projectId' },
    endpoint_id: { type: 'text', member: 'endpointId' },
    secret: { type: 'text', member: 'secret' },
    former_secret: { type: 'text', member: 'formerSecret', optional: true },
    former_until: { type: 'bigint', member: 'formerUntil', optional: true },
  }),
);

export const DELIVERIES = complete<Delivery>()(
  table<Delivery>()({
    id: { type: 'text', member: 'id' },
    event_id: { type: 'text', member: 'eventId' },
    type: { type: 'text', member: 'type', check: requireIn([...EVENT_TYPES, TEST_EVENT], 'type') },
    project_id: { type: 'text', member: 'projectId' },
    task_id: { type: 'text', member: 'taskId', optional: true },
    endpoint_id: { type: 'text', member: 'endpointId', optional: true },
    lane: { type: 'text', member: 'lane' },
    url: { type: 'text', member: 'url' },
    state: { type: 'text', member: 'state', check: requireIn(DELIVERY_STATES, 'state'), changes: true },
    tries: { type: 'integer', member: 'tries', changes: true },
    next_at: { type: 'bigint', member: 'nextAt', changes: true },
    leased_until: { type: 'bigint', member: 'leasedUntil', optional: true, changes: true },
    tried_at: { type: 'bigint', member: 'triedAt', optional: true, changes: true },
    status: { type: 'integer', member: 'status', optional: true, changes: true },
    error: { type: 'text', member: 'error', optional: true, changes: true },
    latency_ms: { type: 'integer', member: 'latencyMs', optional: true, changes: true },
    answer: { type: 'text', member: 'answer', optional: true, changes: true },
    created_at: { type: 'bigint', member: 'createdAt' },
  }),
);

/** The columns of a delivery that are written with its event. */
export const ANNOUNCED =
  'id, event_id, type, project_id, task_id, endpoint_id, lane, url, state, tries, next_at, created_at';

export type TaskRow = RowOf<typeof TASKS>;
export type AttemptRow = RowOf<typeof ATTEMPTS>;
export type MediaTableRow = RowOf<typeof MEDIA>;
export type KeyTableRow = RowOf<typeof KEYS>;
export type ProjectTableRow = RowOf<typeof PROJECTS>;
/** A key's row joined with that of its project. */
export type KeyWithProjectRow = KeyTableRow & {
  [K in keyof ProjectTableRow as `p_${K}`]: ProjectTableRow[K];
};
export type AuditTableRow = RowOf<typeof AUDIT> & { readonly id: string };
export type EventRow = RowOf<typeof EVENTS>;
export type EndpointRow = RowOf<typeof ENDPOINTS>;
export type WebhookSecretRow = RowOf<typeof WEBHOOK_SECRETS>;
export type DeliveryRow = RowOf<typeof DELIVERIES>;
/** A delivery joined with what is needed to send it, as far as that exists. */
export type ClaimedRow = DeliveryRow & {
  readonly p_id: string | null;
  readonly s_secret: string | null;
  readonly e_id: string | null;
};
/** A task row joined with the columns of its latest attempt, which are NULL before the first. */
export type TaskWithAttempt = TaskRow & { [K in keyof AttemptRow as `a_${K}`]: AttemptRow[K] | null };

/** Makes the rows that store objects. */
function rowsOf<T, C extends Columns<T>>(columns: C): (stored: T) => RowOf<C> {
  const entries = Object.entries<Column<T>>(columns);
  return (stored) => {
    const row: Record<string, unknown> = {};
    for (const [name, { member, of, json }] of entries) {
      const value = member === undefined ? of?.(stored) : stored[member];
      row[name] = value === undefined ? null : json ? JSON.stringify(value) : value;
    }
    return row as RowOf<C>;
  };
}

/** The object that a row stores, from columns named with `prefix`. Throws an error that says what is wrong with the row. */
function fromRow<T>(columns: Columns<T>, row: object, prefix = ''): T {
  const stored: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(columns)) {
    if (column.member === undefined) continue;
    const value: unknown = Reflect.get(row, prefix + name);
    // A missing value becomes a missing member.
    if (value === null && column.optional) continue;
    stored[column.member] = read(name, column, value);
  }
  return stored as T;
}

function read(name: string, { type, json, check, upgrade }: Column<never>, value: unknown): unknown {
  // SQLite stores any value, whatever the type of the column.
  const expected = type === 'text' ? 'string' : 'number';
  if (typeof value !== expected) throw new TypeError(`${name} is not a ${expected}`);
  check?.(value as string);
  if (!json) return value;
  const stored = parse(name, json, value as string);
  // What is stored in a column is what an earlier version wrote there.
  return upgrade ? upgrade(stored as never) : stored;
}

function parse(name: string, shape: Shape | 'strings', text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (shape === 'strings') {
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw new TypeError(`${name} is not a JSON array of strings`);
    return value;
  }
  requireShape(name, shape, value);
  return value;
}

function requireShape(name: string, shape: Shape, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${name} is not a JSON object`);
  for (const [member, type] of Object.entries(shape)) {
    const stored: unknown = Reflect.get(value, member);
    if (typeof type === 'object') requireShape(`${name}.${member}`, type, stored);
    else if (typeof stored !== type) throw new TypeError(`${name} has no ${type} "${member}"`);
  }
}

export const taskToRow: (task: Task) => TaskRow = rowsOf<Task, typeof TASKS>(TASKS);
const storedAttemptToRow = rowsOf<StoredAttempt, typeof ATTEMPTS>(ATTEMPTS);
export const attemptToRow = (taskId: string, attempt: Attempt): AttemptRow =>
  storedAttemptToRow({ ...attempt, taskId });
export const mediaToRow: (stored: MediaRow) => MediaTableRow = rowsOf<MediaRow, typeof MEDIA>(MEDIA);
export const keyToRow: (stored: KeyRow) => KeyTableRow = rowsOf<KeyRow, typeof KEYS>(KEYS);
export const projectToRow: (stored: ProjectRow) => ProjectTableRow = rowsOf<ProjectRow, typeof PROJECTS>(
  PROJECTS,
);
export const auditToRow: (stored: AuditRow) => RowOf<typeof AUDIT> = rowsOf<AuditRow, typeof AUDIT>(AUDIT);
export const eventToRow: (stored: TaskEvent) => EventRow = rowsOf<TaskEvent, typeof EVENTS>(EVENTS);
export const endpointToRow: (stored: WebhookEndpoint) => EndpointRow = rowsOf<
  WebhookEndpoint,
  typeof ENDPOINTS
>(ENDPOINTS);
export const deliveryToRow: (stored: Delivery) => DeliveryRow = rowsOf<Delivery, typeof DELIVERIES>(
  DELIVERIES,
);

/** A delivery after a try, which ends its lease. */
export function finishedToRow(
  { leasedUntil: _, ...delivery }: Delivery,
  outcome: DeliveryOutcome,
): DeliveryRow {
  return deliveryToRow({ ...delivery, ...outcome } as Delivery);
}

/** The columns that a change of an endpoint writes. */
export function endpointChangesToRow(changes: EndpointChanges): Partial<EndpointRow> {
  const row = Object.entries(endpointToRow(changes as WebhookEndpoint));
  return Object.fromEntries(row.filter(([name]) => ENDPOINTS[name as keyof EndpointRow].member in changes));
}

export function taskFromRow(row: TaskWithAttempt): Task {
  const task = fromRow<Task>(TASKS, row);
  if (row.a_number === null) return task;
  const { taskId: _, ...attempt } = fromRow<StoredAttempt>(ATTEMPTS, row, 'a_');
  return { ...task, attempt };
}

export const mediaFromRow = (row: MediaTableRow): MediaRow => fromRow(MEDIA, row);
export const keyFromRow = (row: KeyTableRow): KeyRow => fromRow(KEYS, row);
export const projectFromRow = (row: ProjectTableRow): ProjectRow => fromRow(PROJECTS, row);
export const keyWithProjectFromRow = (row: KeyWithProjectRow): KeyWithProject => ({
  ...keyFromRow(row),
  project: fromRow<ProjectRow>(PROJECTS, row, 'p_'),
});
export const auditFromRow = (row: AuditTableRow): StoredAuditRow => ({
  ...fromRow<AuditRow>(AUDIT, row),
  id: row.id,
});
export const eventFromRow = (row: EventRow): TaskEvent => fromRow(EVENTS, row);
export const endpointFromRow = (row: EndpointRow): WebhookEndpoint => fromRow(ENDPOINTS, row);
export const webhookSecretFromRow = (row: WebhookSecretRow): WebhookSecret => fromRow(WEBHOOK_SECRETS, row);
export const deliveryFromRow = (row: DeliveryRow): Delivery => fromRow(DELIVERIES, row);

export function claimedFromRow(row: ClaimedRow): ClaimedDelivery {
  const delivery = fromRow<ClaimedDelivery['delivery']>(DELIVERIES, row);
  try {
    return { delivery, ...neededFromRow(row) };
  } catch (error) {
    // It is claimed all the same: whoever sends it writes down that this failed.
    return { delivery, unreadable: error instanceof Error ? error.message : String(error) };
  }
}

const neededFromRow = (row: ClaimedRow): Omit<ClaimedDelivery, 'delivery'> => ({
  ...(row.p_id === null ? {} : { endpoint: fromRow<WebhookEndpoint>(ENDPOINTS, row, 'p_') }),
  ...(row.s_secret === null ? {} : { secret: fromRow<WebhookSecret>(WEBHOOK_SECRETS, row, 's_') }),
  ...(row.e_id === null ? {} : { event: fromRow<TaskEvent>(EVENTS, row, 'e_') }),
});

/** Throws if the text is not a stored request. */
export const requestFrom = (text: string): VideoRequest =>
  read('request', TASKS.request, text) as VideoRequest;

/**
 * Column names as a list in SQL, each with `prefix`: `t.` makes `t.id, t.project_id, …`. Never `*`: a column that a newer version
 * adds would change the result type of prepared statements, which PostgreSQL does not allow.
 */
export const listOf = (columns: object, prefix = ''): string =>
  Object.keys(columns)
    .map((name) => `${prefix}${name}`)
    .join(', ');

/** The same with `a_id` for each `a.id`. */
const joined = (columns: object, alias: string): string =>
  Object.keys(columns)
    .map((name) => `${alias}.${name} as ${alias}_${name}`)
    .join(', ');

/** `phase = excluded.phase, …`: assigns the columns that change, each from `source`. */
export const assign = (columns: Columns<never>, source: string): string =>
  Object.entries(columns)
    .filter(([, { changes }]) => changes)
    .map(([name, { changes }]) => `${name} = ${typeof changes === 'string' ? changes : source + name}`)
    .join(', ');

/** SQL types by column. */
export const typesOf = (columns: Columns<never>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(columns).map(([name, { type }]) => [name, type]));

/** Columns of a task `t` joined with its latest attempt `a`: what `taskFromRow` reads. */
export const TASK_WITH_ATTEMPT = `${listOf(TASKS, 't.')}, ${joined(ATTEMPTS, 'a')}`;

/** Keys `k` joined with their projects `p`: what `keyWithProjectFromRow` reads. */
export const SELECT_KEYS_WITH_PROJECTS = `select ${listOf(KEYS, 'k.')}, ${joined(PROJECTS, 'p')} from keys k join projects p on p.id = k.project_id`;

/** Deliveries `d` joined with what is needed to send them: what `claimedFromRow` reads. */
export const CLAIMED_DELIVERY = `${listOf(DELIVERIES, 'd.')}, ${joined(ENDPOINTS, 'p')}, ${joined(WEBHOOK_SECRETS, 's')}, ${joined(EVENTS, 'e')}`;
export const JOIN_CLAIMED = `
  left join webhook_endpoints p on p.id = d.endpoint_id
  left join webhook_secrets s on s.project_id = d.project_id and s.endpoint_id = coalesce(d.endpoint_id, '')
  left join events e on e.id = d.event_id`;

export const JOIN_ATTEMPT = 'left join attempts a on a.task_id = t.id and a.number = t.attempt';

/** Attempts whose jobs are in flight: exactly the condition of the partial index. See `occupiesPlace` in tasks/places.ts. */
export const IN_FLIGHT = 'outcome is null and upstream_result is null';

/** Exactly the condition of the partial indexes on unfinished tasks, so that they can be used. */
export const UNFINISHED = `phase in ('accepted', 'submitting', 'running', 'storing')`;
