import { matchPrompt } from '../../tasks/likeness.ts';
import { type FindOutcome, type UnknownSubmission, UpstreamError } from '../provider.ts';
import type { AnswerReader } from './answers.ts';
import { PAGE_SIZE, SKEW_MS, windowOf } from './askMany.ts';
import { promptSent } from './body.ts';
import type { DashscopeClient, ListItem, TaskAnswer } from './client.ts';

/** How long after the intent a submission can still have arrived, unless its call was given up later. Milliseconds. */
const ARRIVES_WITHIN_MS = 180_000;
/** Beyond so many strangers in a few minutes, asking about each costs more of the allowance than the answer is worth. */
const MAX_CANDIDATES = 60;
const MAX_PAGES = 10;

const UNKNOWN: FindOutcome = { found: false, certainty: 'unknown' };

/** Prompts of ended tasks that are kept: they never change, and one question that fails must not cost all the others again. */
const KEPT = 1000;

/**
 * Looks for a lost submission among the tasks of its minutes and model that nobody of ours has. The list holds no prompts, and a
 * task tells its own only when it has succeeded: while any candidate is on its way the question stays open, which is thrown
 * (`upstream_unavailable`), so that the engine goes on asking. Nothing is ever certainly absent: lists lag.
 */
export function createFind({
  client,
  reader,
}: {
  client: DashscopeClient;
  reader: AnswerReader;
}): (lost: UnknownSubmission, signal: AbortSignal) => Promise<FindOutcome> {
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
    if (candidates.length === 0 || candidates.length > MAX_CANDIDATES) return UNKNOWN;
    const meanings = candidates.map(({ id, status }) => reader.meaningOf(status, id));
    const working = meanings.filter((meaning) => meaning === 'queued' || meaning === 'in_progress').length;
    if (working > 0) {
      throw new UpstreamError('upstream_unavailable', {
        detail: `${working} tasks of the same minutes are on their way, and tell their prompts only when they end`,
      });
    }
    const succeeded = candidates.filter((_, index) => meanings[index] === 'succeeded');
    const answers = await Promise.all(succeeded.map(({ id }) => ended(id, signal)));
    const matches = answers.filter((answer) => isAlike(answer, lost));
    const [match] = matches;
    // Two that look alike cannot be told apart, and one of them is somebody else's.
    return match && matches.length === 1 ? { found: true, upstreamId: match.output.id } : UNKNOWN;
  };
}

async function candidatesOf(
  client: DashscopeClient,
  { upstreamModel, intendedAt, givenUpAt = intendedAt, isKnown }: UnknownSubmission,
  signal: AbortSignal,
): Promise<ListItem[]> {
  const from = intendedAt - SKEW_MS;
  const to = Math.max(intendedAt + ARRIVES_WITHIN_MS, givenUpAt + SKEW_MS);
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

function isAlike({ output, seconds }: TaskAnswer, { upstreamModel, request }: UnknownSubmission): boolean {
  const { origPrompt } = output;
  const samePrompt =
    origPrompt !== undefined && matchPrompt(promptSent(upstreamModel, request), origPrompt) === 'same';
  return samePrompt && (seconds === undefined || Math.abs(seconds - request.duration) < 1);
}
