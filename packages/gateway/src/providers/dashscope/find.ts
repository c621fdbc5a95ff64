import { matchPrompt, type PromptMatch } from '../../tasks/likeness.ts';
import { type UnknownSubmission, UpstreamError } from '../provider.ts';
import { guessedIntent, type Listing } from '../search/judge.ts';
import type { DashscopeClient, ListItem, TaskAnswer } from './client.ts';
import { PAGE_SIZE, SKEW_MS, windowOf } from './list.ts';
import { promptSent } from './request.ts';
import type { AnswerReader } from './wire.ts';

/** How long after the intent a submission can still have arrived, unless the call took longer. Milliseconds. */
const ARRIVES_WITHIN_MS = 180_000;
/** With more unknown tasks than this in a few minutes, polling each would cost too much of the rate. */
const MAX_CANDIDATES = 60;
const MAX_PAGES = 10;

/** A listing without candidates. It is never complete, because lists lag and have no prompts. */
const NO_CANDIDATES: Listing = {
  candidates: [],
  listedAt: undefined,
  completeSince: undefined,
  tellsAll: false,
  slackMs: SKEW_MS,
};

/** How many ended tasks are cached. Their prompts never change, and after one failed poll the others must not be polled again. */
const CACHE_SIZE = 1000;

/**
 * Reads the tasks that may be a lost submission: those of its minutes and model that no attempt has. The list has no prompts, and a
 * task shows its prompt only when it has succeeded. While any candidate is unfinished the outcome is open: this throws
 * `upstream_unavailable`, so that the engine searches again. Lists lag, so a task is never certainly absent.
 */
export function createListReader({
  client,
  reader,
}: {
  client: DashscopeClient;
  reader: AnswerReader;
}): (lost: UnknownSubmission, signal: AbortSignal) => Promise<Listing> {
  const endedTasks = new Map<string, TaskAnswer>();

  async function ended(id: string, signal: AbortSignal): Promise<TaskAnswer> {
    const known = endedTasks.get(id);
    if (known) return known;
    const answer = await client.task(id, signal);
    if (answer.output.origPrompt === undefined) return answer;
    if (endedTasks.size >= CACHE_SIZE) endedTasks.delete(endedTasks.keys().next().value ?? '');
    endedTasks.set(id, answer);
    return answer;
  }

  return async (lost, signal) => {
    const listed = await candidatesOf(client, lost, signal);
    if (listed.length === 0 || listed.length > MAX_CANDIDATES) return NO_CANDIDATES;
    const meanings = listed.map(({ id, status }) => reader.meaningOf(status, id));
    const working = meanings.filter((meaning) => meaning === 'queued' || meaning === 'in_progress').length;
    if (working > 0) {
      throw new UpstreamError('upstream_unavailable', {
        detail: `${working} tasks of the same minutes are unfinished, and show their prompts only when they end`,
      });
    }
    const succeeded = listed.filter((_, index) => meanings[index] === 'succeeded');
    const candidates = succeeded.map(async ({ id, createdAt }) => ({
      upstreamId: id,
      createdAt,
      likeness: likenessOf(await ended(id, signal), lost),
    }));
    return { ...NO_CANDIDATES, candidates: await Promise.all(candidates) };
  };
}

async function candidatesOf(
  client: DashscopeClient,
  lost: UnknownSubmission,
  signal: AbortSignal,
): Promise<ListItem[]> {
  const { upstreamModel, isKnown, sinceIntent } = lost;
  const intent = guessedIntent(lost);
  const from = intent - SKEW_MS;
  const to = intent + Math.max(ARRIVES_WITHIN_MS, (sinceIntent?.() ?? 0) + SKEW_MS);
  const query = { ...windowOf(from, to), model_name: upstreamModel, page_size: String(PAGE_SIZE) };
  const candidates: ListItem[] = [];
  for (let page = 1; page <= MAX_PAGES; page++) {
    const { items, totalPages } = await client.list({ ...query, page_no: String(page) }, signal);
    for (const item of items) {
      // The window of the query has no time zone, so the tasks' own times, in plain milliseconds, decide.
      const inTime = item.createdAt >= from && item.createdAt <= to;
      if (inTime && item.model === upstreamModel && !(await isKnown(item.id))) candidates.push(item);
    }
    if (items.length === 0 || page >= totalPages) break;
  }
  return candidates;
}

function likenessOf(
  { output, seconds }: TaskAnswer,
  { upstreamModel, request }: UnknownSubmission,
): PromptMatch {
  const isOtherLength = seconds !== undefined && Math.abs(seconds - request.duration) >= 1;
  if (isOtherLength) return 'different';
  if (output.origPrompt === undefined) return 'near';
  return matchPrompt(promptSent(upstreamModel, request), output.origPrompt);
}
