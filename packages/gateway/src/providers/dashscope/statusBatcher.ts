import type { Clock } from '../../time/clock.ts';
import { type Answer, type Handle, UpstreamError } from '../provider.ts';
import type { DashscopeClient, ListItem } from './client.ts';
import { type AnswerReader, KEPT_MS } from './wire.ts';

interface Asking {
  readonly client: DashscopeClient;
  readonly reader: AnswerReader;
  readonly clock: Clock;
}

/** "10 by default." No maximum is documented. If a page has fewer items, the number of pages shows it. */
export const PAGE_SIZE = 100;
/** How many lists may fail in a row before tasks are polled one by one. */
const PATIENCE = 3;
/** How far the clocks may differ. Milliseconds. */
export const SKEW_MS = 60_000;

type AskMany = (handles: readonly Handle[], signal: AbortSignal) => Promise<ReadonlyMap<string, Answer>>;

/**
 * Polls many tasks. First it reads pages of the list, which shows only statuses. Then it polls the tasks that have ended or were not
 * listed, one by one. It reads further pages only while they are fewer than the polls that they save.
 */
export function createAskMany({ client, reader, clock }: Asking): AskMany {
  let listFailures = 0;

  async function statusesOf(handles: readonly Handle[], signal: AbortSignal): Promise<Map<string, ListItem>> {
    const now = clock.now();
    const statuses = new Map<string, ListItem>();
    // Tasks near the end of their 24 hours may no longer be listed.
    const wanted = handles.filter(({ intendedAt }) => now - intendedAt < KEPT_MS - 2 * SKEW_MS);
    const left = new Set(wanted.map(({ upstreamId }) => upstreamId));
    if (left.size < 2) return statuses;
    const query = {
      ...windowOf(Math.min(...wanted.map(({ intendedAt }) => intendedAt)) - SKEW_MS, now + SKEW_MS),
      ...modelOf(wanted),
      page_size: String(PAGE_SIZE),
    };
    try {
      for (let page = 1; ; page++) {
        const { items, totalPages } = await client.list({ ...query, page_no: String(page) }, signal);
        listFailures = 0;
        for (const item of items) if (left.delete(item.id)) statuses.set(item.id, item);
        if (items.length === 0 || page >= totalPages || totalPages - page >= left.size) return statuses;
      }
    } catch (error) {
      // The service or the key may not allow the list, or may refuse its window, but still answer single polls.
      const { reason } = error instanceof UpstreamError ? error : { reason: undefined };
      if (reason === 'invalid_request' || reason === 'auth_failed') return statuses;
      // Other failures of the list may pass. If they do not, tasks must not wait for the list until their deadline.
      if (reason === 'upstream_unavailable' && ++listFailures > PATIENCE) return statuses;
      throw error;
    }
  }

  /** What the list says of a task that has not ended. */
  function unfinishedOf({ id, status, startedAt }: ListItem): Answer | undefined {
    const meaning = reader.meaningOf(status, id);
    if (meaning === 'queued') return { state: 'queued' };
    if (meaning !== 'in_progress') return undefined;
    return { state: 'in_progress', ...(startedAt === undefined ? {} : { startedAt }) };
  }

  return async (handles, signal) => {
    const statuses = await statusesOf(handles, signal);
    const answers = new Map<string, Answer>();
    const open: Handle[] = [];
    for (const handle of handles) {
      const item = statuses.get(handle.upstreamId);
      const unfinished = item && unfinishedOf(item);
      if (unfinished) answers.set(handle.upstreamId, unfinished);
      else open.push(handle);
    }
    const asked = await Promise.allSettled(
      open.map(async (handle) => {
        const answer = await client.task(handle.upstreamId, signal);
        answers.set(handle.upstreamId, reader.answerOf(answer, handle));
      }),
    );
    const failure = asked.find((one) => one.status === 'rejected');
    // Answers are kept, and tasks without one are polled again later. But a refused key concerns all tasks.
    if (failure && (answers.size === 0 || isAboutTheKey(failure.reason))) throw failure.reason;
    return answers;
  };
}

const isAboutTheKey = (error: unknown): boolean =>
  error instanceof UpstreamError && error.reason === 'auth_failed';

/** "Make sure that the interval between start and end is at most 24 hours". */
export function windowOf(from: number, to: number): { start_time: string; end_time: string } {
  return {
    start_time: compactBeijingTime(from),
    end_time: compactBeijingTime(Math.min(to, from + KEPT_MS)),
  };
}

function modelOf([first, ...others]: readonly Handle[]): { model_name?: string } {
  const one = first && others.every(({ upstreamModel }) => upstreamModel === first.upstreamModel);
  return one ? { model_name: first.upstreamModel } : {};
}

/** Times are in Beijing time, which has no summer time, and have no offset. */
const AHEAD_MS = 8 * 3_600_000;

/** Milliseconds UTC as `YYYYMMDDhhmmss`, the form of the list's window. */
const compactBeijingTime = (ms: number): string =>
  new Date(ms + AHEAD_MS).toISOString().replace(/\D/g, '').slice(0, 14);
