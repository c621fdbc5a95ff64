import { type Kysely, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { storable } from '../tasks/text.ts';
import { ILLEGAL_ESCAPE } from './jsonRows.ts';
import type { TaskQuery } from './store.ts';
import { type AttemptRow, requestFrom, type TaskRow, type TaskWithAttempt } from './tables.ts';

/** The tables that lists read. */
export interface Tables {
  tasks: TaskRow;
  attempts: AttemptRow;
}

/** The SQL expression of one dialect for the value of a metadata name of task `t`. */
type MetadataValue = (name: string) => RawBuilder<string | null>;

/** SQLite's. The name is quoted in the path like a JSON string. */
export const metadataInSqlite: MetadataValue = (name) =>
  // Otherwise one request that is not valid JSON would fail the list of its whole project.
  sql`case when json_valid(t.request) then json_extract(t.request, ${`$.metadata.${JSON.stringify(name)}`}) end`;

/**
 * PostgreSQL's. Its JSON does not support NUL or half of a surrogate pair, which a request stored as text may contain (escaped, after
 * an even number of backslashes). One such row would fail the list of its whole project.
 */
export const metadataInPostgres: MetadataValue = (name) =>
  sql`(regexp_replace(t.request, ${ILLEGAL_ESCAPE.source}, '\\1\\ufffd', 'g')::json -> 'metadata' ->> ${storable(name)}::text)`;

/** The start of the page that follows `rows`. */
export const behind = (rows: readonly { readonly id: string }[]): Pick<TaskQuery, 'after'> => {
  const last = rows.at(-1);
  return last ? { after: last.id } : {};
};

/** A page of a project's tasks. Ids sort by time. */
export function taskList(
  db: Kysely<Tables>,
  query: TaskQuery,
  metadata: MetadataValue,
): SelectQueryBuilder<Tables, never, TaskWithAttempt> {
  let select = db
    .selectFrom('tasks as t')
    .leftJoin('attempts as a', (join) =>
      join.onRef('a.task_id', '=', 't.id').onRef('a.number', '=', 't.attempt'),
    )
    .selectAll('t')
    .select([
      'a.task_id as a_task_id',
      'a.number as a_number',
      'a.account_id as a_account_id',
      'a.server as a_server',
      'a.idempotency_key as a_idempotency_key',
      'a.upstream_model as a_upstream_model',
      'a.find_version as a_find_version',
      'a.intended_at as a_intended_at',
      'a.intended_there_at as a_intended_there_at',
      'a.upstream_id as a_upstream_id',
      'a.submitted_at as a_submitted_at',
      'a.ended_at as a_ended_at',
      'a.outcome as a_outcome',
      'a.detail as a_detail',
      'a.upstream_result as a_upstream_result',
      'a.place_until as a_place_until',
    ])
    .where('t.project_id', '=', query.projectId)
    .where('t.deleted_at', 'is', null)
    .orderBy('t.id', query.oldestFirst ? 'asc' : 'desc')
    .limit(query.limit);

  if (query.after) select = select.where('t.id', query.oldestFirst ? '>' : '<', query.after);
  if (query.model) select = select.where('t.model', '=', query.model);
  switch (query.status) {
    case 'queued':
      select = select.where('t.phase', 'in', UNTIL_DONE).where('t.started_at', 'is', null);
      break;
    case 'in_progress':
      select = select.where((e) =>
        e.or([
          e('t.phase', '=', 'storing'),
          e.and([e('t.phase', 'in', UNTIL_DONE), e('t.started_at', 'is not', null)]),
        ]),
      );
      break;
    case 'succeeded':
    case 'failed':
      select = select.where('t.phase', '=', query.status);
      break;
    case undefined:
      break;
  }
  for (const [name, value] of Object.entries(query.metadata ?? {})) {
    select = select.where(metadata(name), '=', value);
  }
  return select;
}

/** The phases until the upstream is done, in which the status depends on whether it began. See `statusOf` in tasks/task.ts. */
const UNTIL_DONE = ['accepted', 'submitting', 'running'] as const;

/** Rows read at a time. */
const SCAN = 500;

/**
 * Lists by metadata without parsing requests in the database, where one that is not valid JSON fails the whole statement. The result
 * includes such rows, so that the row reader sets them aside.
 */
export async function scanMetadata(
  { metadata: _, ...query }: TaskQuery,
  metadata: Readonly<Record<string, string>>,
  list: (query: TaskQuery) => Promise<readonly TaskWithAttempt[]>,
): Promise<readonly TaskWithAttempt[]> {
  const found: TaskWithAttempt[] = [];
  for (let page: TaskQuery = { ...query, limit: SCAN }; ; ) {
    const rows = await list(page);
    found.push(...rows.filter(({ request }) => hasMetadata(request, metadata)));
    if (rows.length < SCAN || found.length >= query.limit) return found.slice(0, query.limit);
    page = { ...page, ...behind(rows) };
  }
}

function hasMetadata(request: string, metadata: Readonly<Record<string, string>>): boolean {
  try {
    const own = new Map(Object.entries(requestFrom(request).metadata ?? {}));
    return Object.entries(metadata).every(([name, value]) => own.get(name) === value);
  } catch {
    return true;
  }
}
