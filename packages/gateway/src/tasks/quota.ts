import type { Move } from './lifecycle.ts';
import { isTerminal, type Task } from './task.ts';

/** What is counted of what a project or a key may use. Whatever is missing has no limit. */
export interface CountedLimits {
  /** Unfinished tasks at a time. */
  readonly tasksInFlight?: number;
  /** What the tasks of a UTC day may cost, in micro-units of the currency. */
  readonly dailyBudgetMicros?: number;
  /** What the tasks of a UTC month may cost, in micro-units of the currency. */
  readonly monthlyBudgetMicros?: number;
}

/** The limits that a task is accepted under, as the request saw them. */
export interface Quota {
  readonly project: CountedLimits;
  readonly key: CountedLimits;
  /** Of the budgets. */
  readonly currency: string;
}

/** The limits that are kept by counters in the store. */
export const COUNTED_LIMITS = ['monthlyBudgetMicros', 'dailyBudgetMicros', 'tasksInFlight'] as const;
export type CountedLimit = (typeof COUNTED_LIMITS)[number];

/** What is counted: all tasks of a project, or those of a key. */
export interface Counted {
  readonly projectId: string;
  readonly keyId?: string;
}

/**
 * A counter: the unfinished tasks of a subject, or what its tasks that were accepted in a period may cost or have cost. A charge counts in
 * the period of its hold.
 */
export interface QuotaCounter {
  readonly subject: string;
  readonly period: string;
  /** '' of the unfinished tasks. */
  readonly currency: string;
}

/** In place of a period. */
export const IN_FLIGHT = 'in_flight';

export const subjectOf = ({ projectId, keyId }: Counted): string =>
  keyId === undefined ? `project:${projectId}` : `key:${keyId}`;

/** The UTC day of a time, such as `2026-11-30`. Milliseconds UTC. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
export const monthOf = (at: number): string => dayOf(at).slice(0, 7);

/** When a UTC day or month begins and ends. Milliseconds UTC. */
export function boundsOf(period: string): { readonly from: number; readonly to: number } {
  const [year = 0, month = 1, day] = period.split('-').map(Number);
  return day === undefined
    ? { from: Date.UTC(year, month - 1), to: Date.UTC(year, month) }
    : { from: Date.UTC(year, month - 1, day), to: Date.UTC(year, month - 1, day + 1) };
}

/** The period that a limit is of, at a time. */
export function periodOf(limit: CountedLimit, at: number): string {
  if (limit === 'tasksInFlight') return IN_FLIGHT;
  return limit === 'dailyBudgetMicros' ? dayOf(at) : monthOf(at);
}

export const limitOf = (period: string): CountedLimit => {
  if (period === IN_FLIGHT) return 'tasksInFlight';
  return period.length > 7 ? 'dailyBudgetMicros' : 'monthlyBudgetMicros';
};

/** The subjects of a task: its project and its key. */
export const subjectsOf = ({ projectId, keyId }: Pick<Task, 'projectId' | 'keyId'>) =>
  [{ projectId }, { projectId, keyId }] as const satisfies readonly Counted[];

/** The counters of one subject that a task is counted by. A free task touches no budget. */
export function countersOf(
  { price, createdAt }: Pick<Task, 'price' | 'createdAt'>,
  subject: string,
): readonly QuotaCounter[] {
  const flight = { subject, period: IN_FLIGHT, currency: '' };
  if (price.holdMicros === 0) return [flight];
  const { currency } = price;
  return [
    { subject, period: monthOf(createdAt), currency },
    { subject, period: dayOf(createdAt), currency },
    flight,
  ];
}

/** Whether a limit of these is kept by a counter. */
export const isCounted = (limits: CountedLimits): boolean =>
  COUNTED_LIMITS.some((limit) => limits[limit] !== undefined);

/** What the end of a task gives back of its hold; undefined if the move does not end it. */
export function givenBack({ from, task, ledger }: Move): number | undefined {
  if (isTerminal(from.phase) || !isTerminal(task.phase)) return undefined;
  return ledger.reduce((sum, { kind, amountMicros }) => sum + (kind === 'release' ? amountMicros : 0), 0);
}
