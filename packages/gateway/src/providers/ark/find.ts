import type { FindOutcome, UnknownSubmission } from '../provider.ts';
import { markOf } from './mark.ts';
import type { ArkTask } from './task.ts';

interface Listing {
  /** One page of the list, newest first as far as seen; the order is not documented. */
  page(filter: Readonly<Record<string, string>>): Promise<{ total: number; tasks: readonly ArkTask[] }>;
}

const PAGE_SIZE = 500;
/** Each page costs a second of the list's allowance. */
const MAX_PAGES = 5;
/** How far the clocks of the two sides may differ, and how long a submission may be on its way. Milliseconds. */
const EARLY_MS = 5 * 60_000;
const LATE_MS = 15 * 60_000;

/**
 * Looks for a lost submission in the list. It shows no prompt: what is there to know a task by is its model, its time, and the
 * mark that this attempt has for its expiry. Exactly one such task that no other attempt has is the lost one; anything else
 * cannot be told, since a submission that is on its way may still appear.
 */
export async function findLost(lost: UnknownSubmission, { page }: Listing): Promise<FindOutcome> {
  const unknown: FindOutcome = { found: false, certainty: 'unknown' };
  const { providerOptions = {} } = lost.request;
  // The caller's own expiry is no mark of ours.
  if ('execution_expires_after' in providerOptions) return unknown;
  const tier = providerOptions.service_tier;
  const filter = {
    'filter.model': lost.upstreamModel,
    ...(typeof tier === 'string' ? { 'filter.service_tier': tier } : {}),
    page_size: String(PAGE_SIZE),
  };
  const candidates: string[] = [];
  for (let number = 1; number <= MAX_PAGES; number++) {
    const { total, tasks } = await page({ ...filter, page_num: String(number) });
    for (const task of tasks) {
      if (isAlike(task, lost) && !(await lost.isKnown(task.id))) candidates.push(task.id);
    }
    const oldest = Math.min(...tasks.map(({ created_at }) => (created_at ?? 0) * 1000));
    if (number * PAGE_SIZE >= total || tasks.length === 0 || oldest < lost.intendedAt - EARLY_MS) break;
  }
  const [id, ...others] = candidates;
  return id === undefined || others.length > 0 ? unknown : { found: true, upstreamId: id };
}

/** Resolution and duration stand in the list only once the task has succeeded. */
function isAlike(task: ArkTask, { idempotencyKey, intendedAt, request }: UnknownSubmission): boolean {
  const createdAt = (task.created_at ?? 0) * 1000;
  return (
    task.execution_expires_after === markOf(idempotencyKey) &&
    createdAt >= intendedAt - EARLY_MS &&
    createdAt <= intendedAt + LATE_MS &&
    (task.resolution ?? request.resolution) === request.resolution
  );
}
