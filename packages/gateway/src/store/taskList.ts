import { type Kysely, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';
import type { Status } from '../tasks/task.ts';
import { storable } from '../tasks/text.ts';
import type { TaskQuery } from './store.ts';
import type { AttemptRow, TaskRow, TaskWithAttempt } from './tables.ts';

/** The tables that lists read. */
export interface Tables {
  tasks: TaskRow;
  attempts: AttemptRow;
  task_metadata: { project_id: string; name: string; value: string; task_id: string };
}

/** The start of the page that follows `rows`. */
export const behind = (rows: readonly { readonly id: string }[]): Pick<TaskQuery, 'after'> => {
  const last = rows.at(-1);
  return last ? { after: last.id } : {};
};

export type Pair = readonly [name: string, value: string];

/** The pairs of metadata of a query, and the one whose tasks are read first; if there is none, those of the other filters are. */
export interface ListPlan {
  readonly first: Pair | undefined;
  readonly others: readonly Pair[];
}

/** The plan of a database that makes a better one by itself if it can. */
export function anyPlan({ status, metadata = {} }: TaskQuery): ListPlan {
  const [first, ...others] = Object.entries(metadata);
  // Few tasks are in hand, and many may have a pair.
  const inHand = status === 'queued' || status === 'in_progress';
  return first === undefined || inHand
    ? { first: undefined, others: Object.entries(metadata) }
    : { first, others };
}

/** A pair of metadata, how many tasks have it as far as they were counted, and the first of them in the order of the list. */
export interface CountedPair {
  readonly pair: Pair;
  readonly count: number;
  readonly begins: string;
}

/**
 * The plan of a database that does not know how often a value is there: what the fewest tasks have. `passing`: how many pass the filters but
 * those by metadata. Of two pairs that are both common, the one of which the list has none for longer.
 */
export function planByCounts(query: TaskQuery, counted: readonly CountedPair[], passing: number): ListPlan {
  const later = query.oldestFirst ? 1 : -1;
  const [rarest, ...others] = counted.toSorted(
    (a, b) => a.count - b.count || (a.begins < b.begins ? later : -later),
  );
  if (!rarest || passing < rarest.count) return { first: undefined, others: counted.map(({ pair }) => pair) };
  return { first: rarest.pair, others: others.map(({ pair }) => pair) };
}

/** A page of a project's tasks. Ids sort by time. SQLite reads what the plan says, in the order of the list, until the page is full. */
export function taskList(
  db: Kysely<Tables>,
  query: TaskQuery,
  { first, others }: ListPlan = anyPlan(query),
): SelectQueryBuilder<Tables, never, TaskWithAttempt> {
  // In the order of the table that is read first: otherwise SQLite sorts all rows.
  const id = sql.ref<string>(first ? 'm.task_id' : 't.id');
  let select = (first ? tasksWith(db, columnsOf(query.projectId, first)) : db.selectFrom('tasks as t'))
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
    .orderBy(id, query.oldestFirst ? 'asc' : 'desc')
    .limit(query.limit);

  for (const pair of others)
    select = select.where((e) =>
      e.exists(
        e
          .selectFrom('task_metadata as o')
          .select('o.task_id')
          .where((o) => o.and(columnsOf(query.projectId, pair)))
          .whereRef('o.task_id', '=', 't.id'),
      ),
    );
  if (query.after) select = select.where(id, query.oldestFirst ? '>' : '<', query.after);
  if (query.model) select = select.where('t.model', '=', query.model);
  if (query.status) select = select.where(OF_STATUS[query.status]);
  return select;
}

/** How many tasks pass the filters of a query but that by metadata, up to `most`. */
export function countTasks(
  db: Kysely<Tables>,
  { projectId, model, status }: TaskQuery,
  most: number,
): SelectQueryBuilder<Tables, never, { count: number }> {
  let tasks = db
    .selectFrom('tasks as t')
    .select('t.id')
    .where('t.project_id', '=', projectId)
    .where('t.deleted_at', 'is', null)
    .limit(most);
  if (model) tasks = tasks.where('t.model', '=', model);
  if (status) tasks = tasks.where(OF_STATUS[status]);
  const counted = db.selectFrom(tasks.as('c')).select(sql<number>`count(*)`.as('count'));
  return counted as unknown as SelectQueryBuilder<Tables, never, { count: number }>;
}

const columnsOf = (projectId: string, [name, value]: readonly [string, string]) => ({
  project_id: projectId,
  name: storable(name),
  value: storable(value),
});

/** The tasks with a pair of metadata. In SQLite, a cross join reads the tables in this order. */
function tasksWith(db: Kysely<Tables>, pair: ReturnType<typeof columnsOf>) {
  const tasks = db
    .selectFrom('task_metadata as m')
    .crossJoin('tasks as t')
    .whereRef('t.id', '=', 'm.task_id')
    .where((e) => e.and({ 'm.project_id': pair.project_id, 'm.name': pair.name, 'm.value': pair.value }));
  const alike = () => db.selectFrom('tasks as t');
  return tasks as unknown as ReturnType<typeof alike>;
}

/**
 * See `statusOf` in tasks/task.ts: until the upstream is done, the status depends on whether it began. SQLite uses an index of some rows
 * only if the query repeats the condition of the index word for word.
 */
const OF_STATUS: Readonly<Record<Status, RawBuilder<SqlBool>>> = {
  queued: sql`t.phase in ('accepted', 'submitting', 'running', 'storing') and t.phase <> 'storing' and t.started_at is null`,
  in_progress: sql`t.phase in ('accepted', 'submitting', 'running', 'storing') and (t.phase = 'storing' or t.started_at is not null)`,
  succeeded: sql`t.phase = 'succeeded'`,
  failed: sql`t.phase = 'failed'`,
};
