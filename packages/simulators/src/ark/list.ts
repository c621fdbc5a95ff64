import type { ArkContext, Task } from './context.ts';
import { refusals } from './errors.ts';
import { statusOf } from './task.ts';

/** "Only the last seven days can be queried." A cancelled task is deleted after one day. Milliseconds. */
const KEPT_MS = 7 * 24 * 3_600_000;
const CANCELLED_KEPT_MS = 24 * 3_600_000;

/** "page_num, page_size: 1 to 500." */
const LARGEST_PAGE = 500;
const DEFAULT_PAGE_SIZE = 20;

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Whether the service still has the task. */
export function isKept({ shared }: ArkContext, task: Task): boolean {
  const { clock } = shared;
  if (clock.now() - task.createdAt > clock.kept(KEPT_MS)) return false;
  return task.state !== 'cancelled' || clock.now() - (task.endedAt ?? 0) <= clock.kept(CANCELLED_KEPT_MS);
}

/** One page of an account's tasks, newest first (the order is not documented). `filter.service_tier` is `default` unless given. */
export function listTasks(
  tasks: readonly Task[],
  query: Query,
): { readonly total: number; readonly tasks: readonly Task[] } {
  const page = pageNumber(query, 'page_num', 1);
  const size = pageNumber(query, 'page_size', DEFAULT_PAGE_SIZE);
  const ids = query['filter.task_ids'] === undefined ? undefined : new Set([query['filter.task_ids']].flat());
  const { 'filter.status': status, 'filter.model': model } = query;
  const tier = query['filter.service_tier'] ?? 'default';
  const matching = tasks
    .filter(
      (task) =>
        (ids?.has(task.id) ?? true) &&
        (status === undefined || statusOf(task) === status) &&
        (model === undefined || task.model === model) &&
        task.details.tier === tier,
    )
    .toReversed();
  return { total: matching.length, tasks: matching.slice((page - 1) * size, page * size) };
}

function pageNumber(query: Query, name: string, fallback: number): number {
  const number = Number(query[name] ?? fallback);
  if (Number.isInteger(number) && number >= 1 && number <= LARGEST_PAGE) return number;
  throw refusals.invalidContent(`The parameter \`${name}\` specified in the request is not valid.`);
}
