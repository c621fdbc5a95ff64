import { matchPrompt, type PromptMatch } from '../../tasks/likeness.ts';
import { type UnknownSubmission, UpstreamError } from '../provider.ts';
import { guessedIntent, type Listing } from '../search/judge.ts';
import type { DashscopeClient, ListItem, TaskAnswer } from './client.ts';
import { promptSent } from './request.ts';
import { PAGE_SIZE, SKEW_MS, windowOf } from './statusBatcher.ts';
import type { AnswerReader } from './wire.ts';

/** How long after the intent a submission can still have arrived, unless its call was given up later. Milliseconds. */
const ARRIVES_WITHIN_MS = 180_000;
/** Beyond so many strangers in a few minutes, asking about each costs more of the rate than the answer is worth. */
const MAX_CANDIDATES = 60;
const MAX_PAGES = 10;

/** Lists lag, and hold no prompts: there is always room for one more. */
const NOTHING_TOLD: Listing = {
  candidates: [],
  listedAt: undefined,
  completeSince: undefined,
  tellsAll: false,
  slackMs: SKEW_MS,
};

/** Prompts of ended tasks that are kept: they never change, and one failed poll must not cost all the others again. */
const KEPT = 1000;

/**
 * Reads what may be a lost submission: the tasks of its minutes and model that nobody of ours has. The list holds no prompts, and a
 * task tells its own only when it has succeeded: while any candidate is on its way the outcome stays open, which is thrown
 * (`upstream_unavailable`), so that the engine goes on asking. Nothing is ever certainly absent: lists lag.
 */
export function createListReader({
  client,
  reader,
}: {
  client: DashscopeClient;
  reader: AnswerReader;
}): (lost: UnknownSubmission, signal: AbortSignal) => Promise<Listing> {
  const told = new Map<string, TaskAnswer>();

  async function ended(id: string, signal: AbortSignal): Promise<TaskAnswer> {
    const known = told.get(id);
    if (known) return known;
    const answer = await client.task(id, signal);
    if (answer.output.origPrompt === undefined) return answer;
    if (told.size >= KEPT) told.delete(told.keys().next().value ?? '');
    told.set(id, answer);
    return answer;
  }

  return async (lost, signal) => {
    const candidates = await candidatesOf(client, lost, signal);
    if (candidates.length === 0 || candidates.length > MAX_CANDIDATES) return NOTHING_TOLD;
    const meanings = candidates.map(({ id, status }) => reader.meaningOf(status, id));
    const working = meanings.filter((meaning) => meaning === 'queued' || meaning === 'in_progress').length;
    if (working > 0) {
      throw new UpstreamError('upstream_unavailable', {
        detail: `${working} tasks of the same minutes are on their way, and tell their prompts only when they end`,
      });
    }
    const succeeded = candidates.filter((_, index) => meanings[index] === 'succeeded');
    const created = new Map(candidates.map(({ id, createdAt }) => [id, createdAt]));
    const answers = await Promise.all(succeeded.map(({ id }) => ended(id, signal)));
    return {
      ...NOTHING_TOLD,
      candidates: answers.map((answer) => ({
        upstreamId: answer.output.id,
        createdAt: created.get(answer.output.id),
        likeness: likenessOf(answer, lost),
      })),
    };
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
      // What the window means is read from the tasks themselves, whose times are plain milliseconds.
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
