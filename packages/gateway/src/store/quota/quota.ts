import {
  boundsOf,
  type Counted,
  countersOf,
  dayOf,
  IN_FLIGHT,
  isCounted,
  limitOf,
  monthOf,
  type Quota,
  type QuotaCounter,
  subjectOf,
  subjectsOf,
} from '../../tasks/quota.ts';
import type { Task } from '../../tasks/task.ts';
import { UNFINISHED } from '../tables.ts';
import type { QuotaUse } from './contract.ts';

/** A counter that is to be counted, as a row. */
export interface CountedRow extends QuotaCounter {
  readonly project_id: string;
  readonly key_id: string | null;
  /** When its period begins and ends, milliseconds UTC, and an id that none of its tasks is below. */
  readonly starts: number;
  readonly ends: number;
  readonly first_id: string;
}

/** A row of the table that has been counted. */
export interface QuotaRow extends QuotaCounter {
  readonly project_id: string;
  readonly amount: number;
}

/** Ids are made a moment before their tasks, whose nodes' clocks may differ. Milliseconds. */
const ID_SLACK_MS = 3_600_000;
/** For how long counters are kept once their period is over: longer than any task runs. Milliseconds. */
const KEEP_MS = 62 * 86_400_000;

export function countedRow(counter: QuotaCounter, project_id: string): CountedRow {
  const { subject, period, currency } = counter;
  const { from, to } = period === IN_FLIGHT ? { from: 0, to: 0 } : boundsOf(period);
  const time = Math.max(0, from - ID_SLACK_MS)
    .toString(16)
    .padStart(12, '0');
  const key_id = subject.startsWith('key:') ? subject.slice('key:'.length) : null;
  return { subject, period, currency, project_id, key_id, starts: from, ends: to, first_id: `video_${time}` };
}

/** The counters that count a task, whose `keyId` is that of its key's family. */
export const countersFor = (task: Task): readonly CountedRow[] =>
  subjectsOf(task).flatMap((counted) =>
    countersOf(task, subjectOf(counted)).map((counter) => countedRow(counter, task.projectId)),
  );

/** The subjects of a task, whose `keyId` is that of its key's family, each with its limits. */
export const limitedSubjects = (task: Pick<Task, 'projectId' | 'keyId'>, quota: Quota | undefined) =>
  subjectsOf(task).map((counted) => {
    const limits = ('keyId' in counted ? quota?.key : quota?.project) ?? {};
    return { subject: subjectOf(counted), limits, isLimited: isCounted(limits) };
  });

/** The counters whose values are the use of a subject. */
export const countersOfUse = (counted: Counted, at: number, currency: string): readonly CountedRow[] =>
  [
    { period: IN_FLIGHT, currency: '' },
    { period: dayOf(at), currency },
    { period: monthOf(at), currency },
  ].map((counter) => countedRow({ subject: subjectOf(counted), ...counter }, counted.projectId));

/** The use of a subject, from the values of its counters. */
export function useFrom(rows: readonly Pick<QuotaRow, 'period' | 'amount'>[]): QuotaUse {
  const use = { tasksInFlight: 0, dayMicros: 0, monthMicros: 0 };
  for (const { period, amount } of rows) {
    const limit = limitOf(period);
    if (limit === 'tasksInFlight') use.tasksInFlight = amount;
    else if (limit === 'dailyBudgetMicros') use.dayMicros = amount;
    else use.monthMicros = amount;
  }
  return use;
}

/** The periods that are counted at a time, and those up to which counters are removed. */
export const presentPeriods = (now: number): readonly string[] => [IN_FLIGHT, dayOf(now), monthOf(now)];
export const endedPeriods = (now: number): readonly [day: string, month: string] => [
  dayOf(Math.max(0, now - KEEP_MS)),
  monthOf(Math.max(0, now - KEEP_MS)),
];

/** SQL for the ends of periods: counters of days before the first parameter, and of months before the second. */
export const isLongOver = (day: string, month: string): string =>
  `(length(period) = 10 and period < ${day}) or (length(period) = 7 and period < ${month})`;

const signed = (row: string): string =>
  `case ${row}.kind when 'hold' then ${row}.amount_micros when 'release' then -${row}.amount_micros else 0 end`;

/** SQL: a row is of the subject of a counter. Keys that were made from each other by rotation are counted as one. */
const ownOf = (row: string, of: (member: keyof CountedRow) => string): string =>
  `${row}.project_id = ${of('project_id')} and (${of('key_id')} is null or ${row}.key_id = ${of('key_id')}
    or ${row}.key_id in (select id from keys where family = ${of('key_id')}))`;

/** SQL: what a counter should say. `of`: how a member of a `CountedRow` is written. */
export function countOf(of: (member: keyof CountedRow) => string): string {
  const own = ownOf('t', of);
  return `case when ${of('period')} = '${IN_FLIGHT}' then
      (select count(*) from tasks t where ${own} and t.deleted_at is null and t.${UNFINISHED})
    else cast(
      coalesce((
        select sum(${signed('l')}) from tasks t join ledger l on l.task_id = t.id
        where ${own} and t.id >= ${of('first_id')} and t.created_at >= ${of('starts')} and t.created_at < ${of('ends')}
          and l.currency = ${of('currency')}), 0)
      + coalesce((select case when sum(${signed('s')}) > 0 then sum(${signed('s')}) end from ledger_summaries s where ${summarised(of)}), 0)
    as bigint)
    end`;
}

/**
 * SQL: sums `s` of tasks that a counter counts. A sum is of the day of its tasks' holds; those that earlier versions made are of the days of
 * their ledger rows, so a counter is never corrected by sums, and they never make it less than what has rows.
 */
export const summarised = (of: (member: keyof CountedRow) => string): string =>
  `${ownOf('s', of)} and s.currency = ${of('currency')} and s.day >= ${of('starts')} and s.day < ${of('ends')}`;
