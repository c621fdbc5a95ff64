import type { PromptMatch } from '../../tasks/likeness.ts';
import type { FindOutcome, UnknownSubmission } from '../provider.ts';
import { Absent } from './absent.ts';

/**
 * What an upstream's list says about a lost submission. Adapters read lists; whether the submission was found, was never made, or
 * cannot be told, is decided by `judge` alone. All times are of the upstream's own clock, milliseconds UTC.
 */
export interface Listing {
  /** Jobs that may be the lost one. */
  readonly candidates: readonly Candidate[];
  /** When the upstream answered; undefined where it does not tell. */
  readonly listedAt: number | undefined;
  /** The candidates are of all jobs that were made since; undefined where the list may leave out jobs of any age. */
  readonly completeSince: number | undefined;
  /** Whether a candidate that is `same` agrees in all that was asked for, so that of several any will do. */
  readonly tellsAll: boolean;
  /** How much older than the intent the clocks may make the lost job, where what it is known by leaves room. Milliseconds. */
  readonly slackMs?: number;
}

export interface Candidate {
  readonly upstreamId: string;
  readonly createdAt: number | undefined;
  readonly likeness: PromptMatch;
}

/** Clocks tell whole seconds, the header and the list each their own. Milliseconds. */
const ROUNDING_MS = 2_000;
/** A job that looks like the lost one may be it, even if the clocks say that it is older by this much. Milliseconds. */
export const DOUBT_MS = 60_000;
/** A request on its way, or one that a server is still busy with, may show in the list only later. Milliseconds. */
export const SETTLED_MS = 90_000;
/** How far our idea of the upstream's clock may be off where it was not read at the intent. Milliseconds. */
const GUESS_MS = 15 * 60_000;

const UNKNOWN: FindOutcome = { found: false, certainty: 'unknown' };

/** What became of a lost submission, as far as a list can tell. */
export async function judge(listing: Listing, lost: UnknownSubmission): Promise<FindOutcome> {
  const intent = intentThere(lost, listing.listedAt);
  const { same, doubtful } = await sorted(listing, lost, intent);
  const [job] = same;
  if (job && (same.length === 1 || (listing.tellsAll && intent !== undefined))) {
    return { found: true, upstreamId: job.upstreamId };
  }
  if (same.length > 0 || doubtful || !isComplete(listing, intent, lost)) return UNKNOWN;
  return new Absent();
}

/** Candidates that nobody of ours has: those that are the lost job, and whether any other may be it. */
async function sorted(
  { candidates, slackMs = ROUNDING_MS }: Listing,
  lost: UnknownSubmission,
  intent: number | undefined,
): Promise<{ same: Candidate[]; doubtful: boolean }> {
  const earliest = intent === undefined ? lost.intendedAt - GUESS_MS : intent - slackMs;
  const same: Candidate[] = [];
  let doubtful = false;
  for (const candidate of candidates) {
    const { upstreamId, createdAt, likeness } = candidate;
    const isTooOld =
      intent !== undefined && createdAt !== undefined && createdAt < intent - Math.max(DOUBT_MS, slackMs);
    if (likeness === 'different' || isTooOld || (await lost.isKnown(upstreamId))) continue;
    if (likeness === 'same' && createdAt !== undefined && createdAt >= earliest) same.push(candidate);
    else doubtful = true;
  }
  return { same, doubtful };
}

/** Whether the job would be among the candidates by now, had it been made. */
function isComplete(
  { listedAt, completeSince }: Listing,
  intent: number | undefined,
  { sinceGivenUp }: UnknownSubmission,
): boolean {
  if (intent === undefined || listedAt === undefined || completeSince === undefined) return false;
  const isSettled = sinceGivenUp() >= SETTLED_MS && listedAt - intent >= SETTLED_MS;
  return isSettled && completeSince <= intent - DOUBT_MS;
}

/**
 * When the submission was intended, by the upstream's clock: as it was known then, or as the time that has passed here since puts
 * it. Never by the difference of two wall clocks, each of which may have been set meanwhile. The earlier one counts.
 */
function intentThere(
  { intendedThereAt, sinceIntent }: UnknownSubmission,
  listedAt: number | undefined,
): number | undefined {
  const measured = listedAt === undefined || !sinceIntent ? undefined : listedAt - sinceIntent();
  if (intendedThereAt === undefined || measured === undefined) return intendedThereAt ?? measured;
  return Math.min(intendedThereAt, measured);
}

/** Good enough to choose what to read, and no proof of anything: our own wall clock, where the upstream's was not known. */
export const guessedIntent = (lost: UnknownSubmission, listedAt?: number): number =>
  intentThere(lost, listedAt) ?? lost.intendedAt;

/** For upstreams that name a job by the attempt's own key: what is not there under it was never made. */
export const lookedUp = (upstreamId: string | undefined): FindOutcome =>
  upstreamId === undefined ? new Absent() : { found: true, upstreamId, isCertain: true };
