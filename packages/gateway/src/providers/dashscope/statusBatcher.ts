import type { Clock } from '../../time/clock.ts';
import { type Answer, type Handle, UpstreamError } from '../provider.ts';
import type { DashscopeClient } from './client.ts';
import { type AnswerReader, KEPT_MS } from './wire.ts';

interface Asking {
  readonly client: DashscopeClient;
  readonly reader: AnswerReader;
  readonly clock: Clock;
}

/** "10 by default"; the documents name no maximum, and an answer with fewer says so by its number of pages. */
export const PAGE_SIZE = 100;
/** Lists in a row that are out of order, before tasks are asked about one by one. */
const PATIENCE = 3;
/** Clocks differ. Milliseconds. */
export const SKEW_MS = 60_000;

type AskMany = (handles: readonly Handle[], signal: AbortSignal) => Promise<ReadonlyMap<string, Answer>>;

/**
 * Asks about many tasks: by pages of the list, which tells statuses alone, then one by one about those that have ended or were
 * not listed. Pages are read only for as long as they are fewer than the polls they save.
 */
export function createAskMany({ client, reader, clock }: Asking): AskMany {
  let listFailures = 0;

  async function statusesOf(handles: readonly Handle[], signal: AbortSignal): Promise<Map<string, string>> {
    const now = clock.now();
    const statuses = new Map<string, string>();
    // Near the end of their day they may not be listed any more.
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
        for (const { id, status } of items) if (left.delete(id)) statuses.set(id, status);
        if (items.length === 0 || page >= totalPages || totalPages - page >= left.size) return statuses;
      }
    } catch (error) {
      // A service or a key without the list, or with another idea of its window, still answers one by one.
      const { reason } = error instanceof UpstreamError ? error : { reason: undefined };
      if (reason === 'invalid_request' || reason === 'auth_failed') return statuses;
      // Other trouble with the list may pass; where it does not, tasks must not wait for it until their time is over.
      if (reason === 'upstream_unavailable' && ++listFailures > PATIENCE) return statuses;
      throw error;
    }
  }

  return async (handles, signal) => {
    const statuses = await statusesOf(handles, signal);
    const answers = new Map<string, Answer>();
    const open: Handle[] = [];
    for (const handle of handles) {
      const status = statuses.get(handle.upstreamId);
      const meaning = status === undefined ? undefined : reader.meaningOf(status, handle.upstreamId);
      if (meaning === 'queued' || meaning === 'in_progress')
        answers.set(handle.upstreamId, { state: meaning });
      else open.push(handle);
    }
    const asked = await Promise.allSettled(
      open.map(async (handle) => {
        const answer = await client.task(handle.upstreamId, signal);
        answers.set(handle.upstreamId, reader.answerOf(answer, handle));
      }),
    );
    const failure = asked.find((one) => one.status === 'rejected');
    // Answers that came are kept; tasks that are left out are polled again. A key that is refused is refused for all of them.
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

/** Times are in Beijing time (no summer time), without an offset. */
const AHEAD_MS = 8 * 3_600_000;

/** Milliseconds UTC as `YYYYMMDDhhmmss`, the way the list of tasks wants its window. */
const compactBeijingTime = (ms: number): string =>
  new Date(ms + AHEAD_MS).toISOString().replace(/\D/g, '').slice(0, 14);
