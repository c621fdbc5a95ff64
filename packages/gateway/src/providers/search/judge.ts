import type { PromptMatch } from '../../tasks/likeness.ts';
import type { FindOutcome, UnknownSubmission } from '../provider.ts';
import { Absent } from './absent.ts';

/**
 * What an upstream's list says about a lost submission. Adapters only read lists. `judge` decides whether the submission was
 * found, was never made, or cannot be told. All times are milliseconds UTC by the upstream's own clock.
 */
export interface Listing {
  /** Jobs that may be the lost one. */
  readonly candidates: readonly Candidate[];
  /** When the upstream answered; undefined if it does not tell. */
  readonly listedAt: number | undefined;
  /** The list has all jobs that were made since then. Undefined if it may leave out jobs of any age. */
  readonly completeSince: number | undefined;
  /** Whether a candidate that is `same` matches the whole request. Then any of several such candidates will do. */
  readonly tellsAll: boolean;
  /** How much older than the intent the lost job may appear, for lists whose jobs have other traits to tell them by. Milliseconds. */
  readonly slackMs?: number;
}

export interface Candidate {
  readonly upstreamId: string;
  readonly createdAt: number | undefined;
  readonly likeness: PromptMatch;
}

/** The header and the list each round the time to whole seconds. Milliseconds. */
export const ROUNDING_MS = 2_000;
/**
 * How far two clocks may differ. A similar job may be the lost one even if it seems older than the intent by this much: the `Date` of an
 * answer may be that of a proxy, while jobs are dated by the API behind it. Milliseconds.
 */
export const DOUBT_MS = 15 * 60_000;
/** A job may appear in the list this late: its request may be under way, or the server still busy with it. Milliseconds. */
export const SETTLED_MS = 90_000;

const UNKNOWN: FindOutcome = { found: false, certainty: 'unknown' };

/** Decides what became of a lost submission, as far as a list can tell. */
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

/** Sorts the candidates that belong to no attempt: those that are the lost job, and whether another one may be it. */
async function sorted(
  { candidates, slackMs = ROUNDING_MS }: Listing,
  lost: UnknownSubmission,
  intent: number | undefined,
): Promise<{ same: Candidate[]; doubtful: boolean }> {
  const earliest = intent === undefined ? lost.intendedAt - DOUBT_MS : intent - slackMs;
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

/** Whether the lost job, if it existed, would be among the candidates by now. */
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
 * When the submission was intended, by the upstream's clock: as it was read then, or computed from the time that has passed on
 * this node since then. The earlier one counts. Two wall clocks are never compared, because either may have been set meanwhile.
 */
function intentThere(
  { intendedThereAt, sinceIntent }: UnknownSubmission,
  listedAt: number | undefined,
): number | undefined {
  const measured = listedAt === undefined || !sinceIntent ? undefined : listedAt - sinceIntent();
  if (intendedThereAt === undefined || measured === undefined) return intendedThereAt ?? measured;
  return Math.min(intendedThereAt, measured);
}

/** Good enough to choose what to read, but no proof: falls back to this node's wall clock if the upstream's was not known. */
export const guessedIntent = (lost: UnknownSubmission, listedAt?: number): number =>
  intentThere(lost, listedAt) ?? lost.intendedAt;

/** For upstreams that name a job by the key of the attempt: a job that is not found under the key was never made. */
export const lookedUp = (upstreamId: string | undefined): FindOutcome =>
  upstreamId === undefined ? new Absent() : { found: true, upstreamId, isCertain: true };
