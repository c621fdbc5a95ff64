import { matchPrompt, type PromptMatch } from '../../tasks/likeness.ts';
import type { FindOutcome, UnknownSubmission } from '../provider.ts';
import {
  type Candidate,
  DOUBT_MS,
  guessedIntent,
  judge,
  type Listing,
  ROUNDING_MS,
} from '../search/judge.ts';
import { Turns } from './bounds/turns.ts';
import { listAt, partOf, type Send } from './client.ts';
import { reads } from './contradictions.ts';
import { NoSuchJob, read, textOf } from './errors.ts';
import { writeId } from './id.ts';
import { timeOf } from './job.ts';
import type { KeyProof } from './keyProof.ts';
import { fillCall, requestScope, type Scope } from './request.ts';
import type { ProviderFile } from './schema.ts';

type Find = NonNullable<ProviderFile['find']>;
type List = Extract<Find, { list: unknown }>['list'];

interface FindParts {
  readonly file: ProviderFile;
  readonly send: Send;
  readonly upstreamTime: () => Promise<number | undefined>;
  /** Absent if a list of all jobs shows by itself whether they have keys. */
  readonly keyProof: KeyProof | undefined;
}

/** A job to look for. */
interface Wanted {
  /** What `submit` read. */
  readonly scope: Scope;
  /** Jobs that were made earlier need not be read. Milliseconds UTC. */
  readonly earliest: number;
  /** Whether a job with the key may be the wanted one. */
  readonly mayBe: (upstreamId: string) => Promise<boolean>;
}

const UNKNOWN: FindOutcome = { found: false, certainty: 'unknown' };

/** Whether only jobs with the key are shown. */
export const isByKey = (find: Find): boolean => 'by_key' in find || reads(find.list, ['key']);

/** Looks for a lost submission as the file says. */
export async function findJob(
  { file, send, upstreamTime, keyProof }: FindParts,
  find: Find,
  lost: UnknownSubmission,
  signal: AbortSignal,
): Promise<FindOutcome> {
  const scope = requestScope(lost, file);
  const search = (wanted: Wanted) =>
    'by_key' in find ? lookUp(find.by_key, wanted) : readPages(find.list, wanted);
  const listing = await search({
    scope,
    earliest: guessedIntent(lost) - DOUBT_MS,
    mayBe: async (upstreamId) => !(await lost.isKnown(upstreamId)),
  });
  if (typeof listing === 'string') return { found: true, upstreamId: listing, isCertain: true };
  const outcome = await judge({ ...listing, listedAt: await upstreamTime() }, lost);
  if (outcome.found || outcome.certainty !== 'absent' || !keyProof) return outcome;
  const earlier = (await lost.earlier?.()) ?? [];
  return (await keyProof.isGiven(scope, earlier, finds)) ? outcome : UNKNOWN;

  async function finds(scope: Scope, upstreamId: string): Promise<boolean> {
    const mayBe = async (id: string) => id === upstreamId;
    return (await search({ scope, earliest: Number.NEGATIVE_INFINITY, mayBe })) === upstreamId;
  }

  /** The job that the upstream keeps under the key of the attempt, which no other attempt has. */
  async function lookUp(
    { job, ...call }: Extract<Find, { by_key: unknown }>['by_key'],
    { scope, mayBe }: Wanted,
  ) {
    try {
      const { body } = await send(await fillCall(call, scope, 'GET'), { signal });
      const upstreamId = await idOf(await partOf(job, body), scope);
      if (upstreamId !== undefined && (await mayBe(upstreamId))) return upstreamId;
      return listingOf([], undefined);
    } catch (error) {
      if (error instanceof NoSuchJob) return listingOf([], 0);
      throw error;
    }
  }

  async function readPages(list: List, { scope, earliest, mayBe }: Wanted) {
    const hasPages = reads(list, ['page', 'cursor']);
    // By their ids: a job may come on two pages, because new ones have moved it on meanwhile.
    const candidates = new Map<string, Candidate>();
    let oldest = Number.POSITIVE_INFINITY;
    let isInOrder = true;
    let isWhole = list.newest_first;
    let cursor: unknown;
    const turns = new Turns();
    for (let page = 1; page <= list.pages; page++) {
      const given = { ...scope, page, ...(cursor === undefined ? {} : { cursor }) };
      const { body } = await send(await fillCall(list, given, 'GET'), { signal });
      const jobs = listAt(list.jobs, body);
      for (const job of jobs) {
        await turns.next();
        const [upstreamId, createdAt] = await Promise.all([idOf(job, scope), timeOf(list.created_at, job)]);
        if (createdAt !== undefined && createdAt > oldest + ROUNDING_MS) isInOrder = false;
        oldest = Math.min(oldest, createdAt ?? oldest);
        const likeness = await likenessOf(list, job, scope);
        // A job without an id may be the lost one.
        if (upstreamId === undefined) isWhole = false;
        else if (!list.marker || likeness !== 'same')
          candidates.set(upstreamId, { upstreamId, createdAt, likeness });
        else if (await mayBe(upstreamId)) return upstreamId;
      }
      cursor = list.next && (await read(async () => list.next?.evaluate(body)));
      const isEnd = jobs.length === 0 || (list.next !== undefined && !cursor);
      if (isEnd) return listingOf([...candidates.values()], isWhole && isInOrder ? 0 : undefined);
      if (!hasPages || (isInOrder && oldest < earliest)) break;
    }
    const reaches = isWhole && isInOrder && Number.isFinite(oldest);
    return listingOf([...candidates.values()], reaches ? oldest : undefined);
  }

  function idOf(job: unknown, request: Scope) {
    return read(() => writeId(file.job.id, job, { request }));
  }
}

async function likenessOf({ marker, prompt }: List, job: unknown, wanted: Scope): Promise<PromptMatch> {
  const listed = await textOf(marker ?? prompt, job);
  if (marker && listed === wanted.key) return 'same';
  // Only the key of another attempt shows that a job is not the lost one: the upstream may have dropped or changed what it was given.
  if (marker) return listed !== undefined && KEY.test(listed) ? 'different' : 'near';
  // A job whose prompt cannot be read may be any.
  return listed === undefined ? 'near' : matchPrompt(String(wanted.prompt), listed);
}

/** The form of the keys of attempts. */
const KEY = /^[0-9a-f]{32}$/;

const listingOf = (
  candidates: readonly Candidate[],
  completeSince: number | undefined,
): Omit<Listing, 'listedAt'> => ({
  candidates,
  completeSince,
  // A list tells the prompt, and nothing else of the request.
  tellsAll: false,
});
