import type { AttemptColumns, KeyColumns, MediaColumns, TaskColumns } from './rows.ts';

/*
 * The columns of the tables by their SQL types. Statements name every column: with `select *`, a column that a newer
 * version adds beside this one would change the type of prepared statements, and PostgreSQL refuses those.
 */

export const TASK_COLUMNS = {
  id: 'text',
  project_id: 'text',
  key_id: 'text',
  model: 'text',
  request: 'text',
  phase: 'text',
  version: 'bigint',
  owner: 'text',
  attempt: 'integer',
  created_at: 'bigint',
  started_at: 'bigint',
  completed_at: 'bigint',
  deadline_at: 'bigint',
  cancel_requested_at: 'bigint',
  not_before: 'bigint',
  price: 'text',
  result: 'text',
  error: 'text',
  deleted_at: 'bigint',
} as const satisfies Record<keyof TaskColumns, string>;

export const ATTEMPT_COLUMNS = {
  task_id: 'text',
  number: 'integer',
  account_id: 'text',
  idempotency_key: 'text',
  upstream_model: 'text',
  intended_at: 'bigint',
  intended_there_at: 'bigint',
  upstream_id: 'text',
  submitted_at: 'bigint',
  ended_at: 'bigint',
  outcome: 'text',
  detail: 'text',
  upstream_result: 'text',
} as const satisfies Record<keyof AttemptColumns, string>;

export const MEDIA_COLUMNS = {
  id: 'text',
  project_id: 'text',
  task_id: 'text',
  kind: 'text',
  storage_key: 'text',
  content_type: 'text',
  state: 'text',
  bytes: 'bigint',
  sha256: 'text',
  created_at: 'bigint',
  expires_at: 'bigint',
} as const satisfies Record<keyof MediaColumns, string>;

export const KEY_COLUMNS = {
  id: 'text',
  project_id: 'text',
  name: 'text',
  prefix: 'text',
  hash: 'text',
  scopes: 'text',
  created_at: 'bigint',
  expires_at: 'bigint',
  revoked_at: 'bigint',
} as const satisfies Record<keyof KeyColumns, string>;

export const LEDGER_COLUMNS = {
  task_id: 'text',
  kind: 'text',
  project_id: 'text',
  key_id: 'text',
  amount_micros: 'bigint',
  currency: 'text',
  created_at: 'bigint',
} as const;

/** Names for a list in SQL, each behind `prefix`: `t.` makes `t.id, t.project_id, …`. */
export const listOf = (columns: object, prefix = ''): string =>
  Object.keys(columns)
    .map((name) => `${prefix}${name}`)
    .join(', ');

/** Columns of a task `t` joined with its latest attempt `a`: what `taskFromColumns` reads. */
export const TASK_WITH_ATTEMPT = `${listOf(TASK_COLUMNS, 't.')}, ${Object.keys(ATTEMPT_COLUMNS)
  .map((name) => `a.${name} as a_${name}`)
  .join(', ')}`;

export const JOIN_ATTEMPT = 'left join attempts a on a.task_id = t.id and a.number = t.attempt';

/** Word for word the condition of the partial indexes on unfinished tasks. */
export const UNFINISHED = `phase in ('accepted', 'submitting', 'running', 'storing')`;
