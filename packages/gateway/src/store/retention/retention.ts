/**
 * Removes what is kept of finished tasks once it is old. Tasks are looked at in the order of their ids, which is that of their acceptance, so
 * that nothing but the primary keys is needed to find the old ones.
 */
export interface RetentionStore {
  /** Up to `limit` tasks with ids above `after`, in the order of their ids. */
  tasksAfter(after: string, limit: number): Promise<readonly AcceptedAt[]>;
  /**
   * Of these tasks, removes those that ended before, with their attempts, deliveries and metadata; their money goes into the summaries of
   * the ledger. A task stays until its media and events are gone: files that have no time of their own, such as the inputs of its request,
   * expire by this. It also stays while the upstream may still have a job of it. Resolves with the ids of those that were removed.
   */
  removeTasks(old: OldTasks): Promise<readonly string[]>;
  /** As `tasksAfter`, of tasks that have ledger rows; with the time of their first row. */
  ledgeredAfter(after: string, limit: number): Promise<readonly AcceptedAt[]>;
  /**
   * Turns the ledger rows of those of these tasks that ended before into sums by the day of their holds. Resolves with the ids of these tasks. No sum over the
   * whole ledger, which is the view `ledger_entries`, is changed by this or by `removeTasks`.
   */
  summariseLedger(old: OldTasks): Promise<readonly string[]>;
  /**
   * Removes up to `limit` webhook deliveries that ended more than `keepMs` before `now` (milliseconds UTC): those that are pending have not.
   * Resolves with their number.
   */
  removeDeliveries(now: number, keepMs: number, limit: number): Promise<number>;
  /** The same for rows of the audit log. */
  removeAudit(now: number, keepMs: number, limit: number): Promise<number>;
}

export interface AcceptedAt {
  readonly id: string;
  /** Milliseconds UTC; not a number if what is stored is none. */
  readonly createdAt: number;
}

export interface OldTasks {
  readonly ids: readonly string[];
  /** Milliseconds UTC. */
  readonly now: number;
  /** How long what has ended is kept. Milliseconds. */
  readonly keepMs: number;
}

/** What differs between databases. */
export interface RetentionDialect {
  /** Whether `column` is one of the ids that the first parameter has. */
  readonly inIds: (column: string) => string;
  /** Turns ids into a parameter. */
  readonly ids: (ids: readonly string[]) => unknown;
  /** Locks the rows of `t`, unless another node has locked them. */
  readonly lock: string;
  /** What is older than $3 ms at $2 is older than this time. */
  readonly before: string;
  /** What must hold of the attempt `a` that had a place, so that the place is free; and of the ledger of the task `t`. */
  readonly placeIsFree: string;
  readonly ledgerIsReadable: string;
}

/** Statements to run one after the other in a transaction: each `yield` has the rows of a statement. */
export type Steps<Result> = Generator<
  { readonly text: string; readonly values: readonly unknown[] },
  Result,
  readonly { readonly id: string }[]
>;

export function retentionSteps(dialect: RetentionDialect) {
  const sql = statementsOf(dialect);

  function* idsFrom(text: string, values: readonly unknown[]): Steps<readonly string[]> {
    return (yield { text, values }).map(({ id }) => id);
  }

  const oldOf = ({ ids, now, keepMs }: OldTasks) => idsFrom(sql.old, [dialect.ids(ids), now, keepMs]);

  function* runAll(texts: readonly string[], tasks: readonly string[]): Steps<readonly string[]> {
    if (tasks.length > 0) for (const text of texts) yield { text, values: [dialect.ids(tasks)] };
    return tasks;
  }

  return {
    *removeTasks(given: OldTasks): Steps<readonly string[]> {
      const old = dialect.ids(yield* oldOf(given));
      yield { text: sql.expireMedia, values: [old, given.now] };
      return yield* runAll(
        [sql.summarise, sql.removeLedger, sql.removeDeliveries, sql.removeAttempts, sql.removeTasks],
        yield* idsFrom(sql.bare, [old]),
      );
    },
    *summariseLedger(given: OldTasks): Steps<readonly string[]> {
      return yield* runAll([sql.summarise, sql.removeLedger], yield* oldOf(given));
    },
  };
}

export const TASKS_AFTER =
  'select id, created_at as "createdAt" from tasks where id > $1 order by id limit $2';
export const LEDGERED_AFTER = `
  select task_id as id, min(created_at) as "createdAt" from ledger where task_id > $1 group by task_id order by task_id limit $2`;

/** That of the hold, in whose period all of a task's rows are counted: a release of the next day alone would make what is spent of that day less. */
const DAY = 't.created_at / 86400000 * 86400000';
/** What the amounts of a summary have in common. */
const ALIKE = `l.project_id, ${DAY}, l.key_id, t.model, coalesce(a.account_id, ''), l.currency, l.kind`;
const KEY = 'project_id, day, key_id, model, account_id, currency, kind';

const statementsOf = ({ inIds, lock, before, placeIsFree, ledgerIsReadable }: RetentionDialect) => ({
  old: `
    select t.id from tasks t
    where ${inIds('t.id')} and t.phase in ('succeeded', 'failed') and t.completed_at <= ${before} and ${ledgerIsReadable}
      and not exists (
        select 1 from attempts a
        where a.task_id = t.id and ((a.outcome is null and a.upstream_result is null) or not (${placeIsFree})))
    order by t.id ${lock}`,
  expireMedia: `update media set expires_at = $2 where ${inIds('task_id')} and expires_at is null`,
  bare: `
    select t.id from tasks t
    where ${inIds('t.id')} and not exists (select 1 from media m where m.task_id = t.id)
      and not exists (select 1 from events e where e.task_id = t.id)`,
  // In the order of the key, so that two nodes cannot deadlock.
  summarise: `
    insert into ledger_summaries (${KEY}, amount_micros, entries)
    select ${ALIKE}, cast(sum(l.amount_micros) as bigint), count(*)
    from ledger l join tasks t on t.id = l.task_id left join attempts a on a.task_id = t.id and a.number = t.attempt
    where ${inIds('l.task_id')} group by ${ALIKE} order by ${ALIKE}
    on conflict (${KEY}) do update set
      amount_micros = ledger_summaries.amount_micros + excluded.amount_micros, entries = ledger_summaries.entries + excluded.entries`,
  removeLedger: `delete from ledger where ${inIds('task_id')}`,
  removeDeliveries: `delete from webhook_deliveries where ${inIds('task_id')}`,
  removeAttempts: `delete from attempts where ${inIds('task_id')}`,
  // A trigger removes their metadata.
  removeTasks: `delete from tasks where ${inIds('id')}`,
});

/** Ids of deliveries that were made before a time are below this one: they begin with the time. */
export const deliveryIdAt = (time: number): string =>
  `whd_${Math.max(0, time).toString(16).padStart(12, '0')}`;
