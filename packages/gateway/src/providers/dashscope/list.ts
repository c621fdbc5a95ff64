import type { Clock } from '../../time/clock.ts';
import type { ListedJob, Page } from '../lists/listOrder.ts';
import type { ListAnswer } from '../lists/pollByList.ts';
import type { Answer, Handle } from '../provider.ts';
import type { DashscopeClient, ListItem } from './client.ts';
import { type AnswerReader, KEPT_MS } from './wire.ts';

/** "10 by default." No maximum is documented. */
export const PAGE_SIZE = 100;
/** How far the clocks may differ. Milliseconds. */
export const SKEW_MS = 60_000;
/** Windows have whole seconds. */
const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

/** Reads pages of the list. It shows only statuses: the end of a task is told without an answer, and its poll has the result. */
export function createPageReader(parts: {
  readonly client: Pick<DashscopeClient, 'list'>;
  readonly reader: AnswerReader;
  readonly clock: Clock;
}): {
  read(page: Page, signal: AbortSignal): Promise<ListAnswer>;
  /** A window cannot end between two tasks of one second. */
  noBreakBetween(task: ListedJob, next: ListedJob): boolean;
  /** Each model has a list of its own. Tasks near the end of their 24 hours may not be listed any more. */
  listOf(handle: Handle): string | undefined;
} {
  const { client, reader, clock } = parts;

  function answerOf({ id, status, startedAt }: ListItem): Answer | undefined {
    const meaning = reader.meaningOf(status, id);
    if (meaning === 'queued') return { state: 'queued' };
    if (meaning !== 'in_progress') return undefined;
    return { state: 'in_progress', ...(startedAt === undefined ? {} : { startedAt }) };
  }

  return {
    noBreakBetween: ({ createdAt = 0 }, { createdAt: next = 0 }) => next > wholeSecond(createdAt),
    listOf: ({ intendedAt, upstreamModel }) =>
      clock.now() - intendedAt < KEPT_MS - 2 * SKEW_MS ? upstreamModel : undefined,
    async read({ after, last, jobs }, signal) {
      const from = last?.createdAt ?? Math.min(...jobs.map(({ intendedAt }) => intendedAt)) - SKEW_MS;
      const to = after?.createdAt ?? clock.now() + SKEW_MS;
      const query = {
        ...windowOf(from, to),
        model_name: jobs[0]?.upstreamModel ?? '',
        page_size: String(PAGE_SIZE),
        page_no: '1',
      };
      const { items, totalPages } = await client.list(query, signal);
      // Their order is not documented.
      const newestFirst = items.toSorted((a, b) => b.createdAt - a.createdAt);
      return {
        jobs: newestFirst.map((item) => ({
          id: item.id,
          createdAt: Number.isNaN(item.createdAt) ? undefined : item.createdAt,
          answer: answerOf(item),
        })),
        more: totalPages > 1,
      };
    },
  };
}

/** "Make sure that the interval between start and end is at most 24 hours". */
export function windowOf(from: number, to: number): { start_time: string; end_time: string } {
  return {
    start_time: compactBeijingTime(from),
    end_time: compactBeijingTime(Math.min(to, from + KEPT_MS)),
  };
}

/** Times are in Beijing time, which has no summer time, and have no offset. */
const AHEAD_MS = 8 * 3_600_000;

/** Milliseconds UTC as `YYYYMMDDhhmmss`, the form of the list's window. */
const compactBeijingTime = (ms: number): string =>
  new Date(ms + AHEAD_MS).toISOString().replace(/\D/g, '').slice(0, 14);
