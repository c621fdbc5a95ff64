import { z } from 'zod';
import type { UpstreamResult } from '../../tasks/task.ts';
import { createScrub, excerpt } from '../http/secrets.ts';
import { errorSaid } from '../mapping/errorSaid.ts';
import { failureWords } from '../mapping/errorTable.ts';
import type { Meaning, StatusTable } from '../mapping/statusTable.ts';
import { type Answer, UpstreamError, type UpstreamTimes } from '../provider.ts';
import { ERRORS } from './errors.ts';

/** The task object of query, list and callback, as far as it is read. Members that have no value yet may be absent or null. */
const Task = z.object({
  id: z.string(),
  status: z.string(),
  content: z.object({ video_url: z.string().nullish() }).nullish(),
  error: z.unknown().optional(),
  usage: z.object({ total_tokens: z.number().nullish() }).nullish(),
  /** Seconds UTC. */
  created_at: z.number().nullish(),
  /** Seconds UTC: when the task came into its present status ("Retrieve a video generation task", `updated_at`). */
  updated_at: z.number().nullish(),
  resolution: z.string().nullish(),
  duration: z.number().nullish(),
  execution_expires_after: z.number().nullish(),
});

export type ArkTask = z.output<typeof Task> & {
  /** See `pollAfterMs`. */
  readonly pollAfterMs?: number | undefined;
};

/** What Ark says of an id: its task, or that it knows none. */
export type TaskOrMissing = ArkTask | 'missing';

/** A page of the list of tasks. */
export interface TaskPage {
  /** Tasks on all pages. */
  readonly total: number;
  readonly tasks: readonly ArkTask[];
}

/** "Retrieve a video generation task", `status`, and "Cancel or delete …" for `expired`. */
export const STATUSES: StatusTable = {
  queued: 'queued',
  running: 'in_progress',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  expired: 'expired',
};

/** "The URL is valid for 24 hours." Milliseconds. */
const LINK_MS = 24 * 3_600_000;

/** Reads a task. Throws `UpstreamError` for anything else, such as the 200 with an empty body that has been seen. */
export function readTask(body: unknown): ArkTask {
  const parsed = Task.safeParse(body);
  if (parsed.success) return parsed.data;
  throw unreadable('a task', body);
}

const Page = z.object({ total: z.number(), items: z.array(Task).nullish() });

/** Reads a page of the list. Throws `UpstreamError` for anything else. */
export function readPage(body: unknown): TaskPage {
  const parsed = Page.safeParse(body);
  if (!parsed.success) throw unreadable('a list of tasks', body);
  return { total: parsed.data.total, tasks: parsed.data.items ?? [] };
}

export function unreadable(wanted: string, body: unknown): UpstreamError {
  const words = body === undefined ? 'an empty body' : excerpt(JSON.stringify(body), createScrub([]));
  return new UpstreamError('upstream_unavailable', { detail: `expected ${wanted}, but got ${words}` });
}

/** What a task says of itself. A success without a video is a failure. */
export function answerOf(task: ArkTask, meaning: Meaning, scrub: (text: string) => string): Answer {
  switch (meaning) {
    case 'queued':
      return { state: 'queued' };
    case 'in_progress':
      return { state: 'in_progress', ...since(task, 'startedAt') };
    case 'succeeded': {
      const result = resultOf(task);
      return result
        ? { state: 'succeeded', result, ...since(task, 'endedAt') }
        : failed(task, scrub, 'succeeded without a video');
    }
    case 'failed':
      return failed(task, scrub, 'failed without an error');
    case 'cancelled':
      return {
        state: 'failed',
        reason: 'cancelled',
        message: 'The task was cancelled.',
        ...since(task, 'endedAt'),
      };
    case 'expired':
      return {
        state: 'failed',
        reason: 'expired',
        message: 'The upstream provider did not finish the task in time; submit it again.',
        ...since(task, 'endedAt'),
      };
    case 'missing':
      return { state: 'missing' };
  }
}

function failed(task: ArkTask, scrub: (text: string) => string, without: string): Answer {
  const words = failureWords(ERRORS, errorSaid(task.error, scrub));
  return { state: 'failed', ...words, detail: words.detail || without, ...since(task, 'endedAt') };
}

/** Since when the task has its status. A running task has no time of its end, and an ended one none of its start. */
const since = ({ updated_at: seconds }: ArkTask, name: keyof UpstreamTimes): UpstreamTimes =>
  seconds ? { [name]: seconds * 1000 } : {};

function resultOf({ content, updated_at, duration, usage }: ArkTask): UpstreamResult | undefined {
  const url = content?.video_url;
  if (!url) return undefined;
  const expiresAt = linkExpiry(url) ?? (updated_at ? updated_at * 1000 + LINK_MS : undefined);
  return {
    ref: url,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(duration ? { duration } : {}),
    ...(usage?.total_tokens ? { usage: { tokens: usage.total_tokens } } : {}),
  };
}

/** When a signed link of TOS expires, milliseconds UTC: `X-Tos-Expires` seconds after `X-Tos-Date`. */
function linkExpiry(link: string): number | undefined {
  if (!URL.canParse(link)) return undefined;
  const { searchParams } = new URL(link);
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(searchParams.get('X-Tos-Date') ?? '');
  const seconds = Number(searchParams.get('X-Tos-Expires') ?? Number.NaN);
  if (!date || !Number.isFinite(seconds)) return undefined;
  const [year = 0, month = 0, ...rest] = date.slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest) + seconds * 1000;
}
