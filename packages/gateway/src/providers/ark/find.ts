import type { UnknownSubmission } from '../provider.ts';
import { type Candidate, guessedIntent, type Listing } from '../search/judge.ts';
import { correlationMarkerOf } from './correlationMarker.ts';
import type { ArkTask } from './wire.ts';

interface Pages {
  /** One page of the list, newest first as far as seen; the order is not documented. */
  page(filter: Readonly<Record<string, string>>): Promise<{ total: number; tasks: readonly ArkTask[] }>;
}

const PAGE_SIZE = 500;
/** Each page costs a second of the list's rate. */
const MAX_PAGES = 5;
/** How far the two clocks may differ, and how long a submission may be under way. Milliseconds. */
const EARLY_MS = 5 * 60_000;
const LATE_MS = 15 * 60_000;

/**
 * Reads the tasks that may be a lost submission. The list shows no prompts, so a task is identified by its model, its time, and
 * the correlation marker of the attempt in its expiry. The list can never prove that there is no such task: its order is not
 * documented, and it does not show the tasks of another service tier.
 */
export async function readList(lost: UnknownSubmission, { page }: Pages): Promise<Listing> {
  const candidates: Candidate[] = [];
  const listing: Listing = {
    candidates,
    listedAt: undefined,
    completeSince: undefined,
    tellsAll: false,
    slackMs: EARLY_MS,
  };
  const { providerOptions = {} } = lost.request;
  // An expiry that the caller set is not a marker.
  if ('execution_expires_after' in providerOptions) return listing;
  const tier = providerOptions.service_tier;
  const filter = {
    'filter.model': lost.upstreamModel,
    ...(typeof tier === 'string' ? { 'filter.service_tier': tier } : {}),
    page_size: String(PAGE_SIZE),
  };
  const earliest = guessedIntent(lost) - EARLY_MS;
  for (let number = 1; number <= MAX_PAGES; number++) {
    const { total, tasks } = await page({ ...filter, page_num: String(number) });
    for (const task of tasks) {
      const createdAt = (task.created_at ?? 0) * 1000;
      if (isAlike(task, createdAt, lost))
        candidates.push({ upstreamId: task.id, createdAt, likeness: 'same' });
    }
    const oldest = Math.min(...tasks.map(({ created_at }) => (created_at ?? 0) * 1000));
    if (number * PAGE_SIZE >= total || tasks.length === 0 || oldest < earliest) break;
  }
  return listing;
}

/** The list shows resolution and duration only once the task has succeeded. */
function isAlike(task: ArkTask, createdAt: number, lost: UnknownSubmission): boolean {
  const { idempotencyKey, request } = lost;
  const intent = guessedIntent(lost);
  return (
    task.execution_expires_after === correlationMarkerOf(idempotencyKey) &&
    createdAt >= intent - EARLY_MS &&
    createdAt <= intent + LATE_MS &&
    (task.resolution ?? request.resolution) === request.resolution
  );
}
