import { sizeText } from '../../models/sizes.ts';
import { matchPrompt } from '../../tasks/likeness.ts';
import type { FindOutcome, UnknownSubmission } from '../provider.ts';
import type { VideoResource } from './resource.ts';

/** A page of the upstream's list, newest first. */
export interface ListPage {
  readonly videos: readonly VideoResource[];
  readonly more: boolean;
  /** How far the upstream's clock is ahead of ours, milliseconds. */
  readonly clockAheadMs: number;
}

interface Search {
  readonly lost: UnknownSubmission;
  /** The page behind the job of this id; the first without one. */
  readonly page: (after: string | undefined) => Promise<ListPage>;
  /** Milliseconds UTC. */
  readonly now: number;
}

/** `created_at` is cut to whole seconds, and so is the header that the upstream's clock is read from. Milliseconds. */
const ROUNDING_MS = 2_000;
/** A job that looks like the lost one may be it, even if the clocks say that it is older by this much. Milliseconds. */
const DOUBT_MS = 60_000;
/** A request on its way, or one that a server is still busy with, may show in the list only later. Milliseconds. */
const SETTLED_MS = 90_000;
/** Jobs of a busy account since the intent: beyond so many pages nobody can tell. */
const MAX_PAGES = 50;

/**
 * Looks for a lost submission in the upstream's list, by what it asked for. `absent` only where the list was read back past
 * the intent, long enough after the call was given up, and held nothing that might be the job.
 */
export async function findInList({ lost, page, now }: Search): Promise<FindOutcome> {
  const unknown: FindOutcome = { found: false, certainty: 'unknown' };
  let doubtful = false;
  /** Not every server that speaks the protocol sorts: only a list that runs backwards can be read "past" something. */
  let backwards = true;
  let before = Number.POSITIVE_INFINITY;
  let after: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { videos, more, clockAheadMs } = await page(after);
    const intended = lost.intendedAt + clockAheadMs;
    let readPast = false;
    for (const video of videos) {
      const created = video.created_at == null ? undefined : video.created_at * 1000;
      if (created !== undefined) {
        backwards &&= created <= before + ROUNDING_MS;
        before = created;
      }
      if (created !== undefined && created < intended - DOUBT_MS) readPast = true;
      else {
        const likeness = likenessOf(video, lost);
        if (likeness === 'other' || (await lost.isKnown(video.id))) continue;
        const inTime = created !== undefined && created >= intended - ROUNDING_MS;
        if (likeness === 'same' && inTime) return { found: true, upstreamId: video.id };
        doubtful = true;
      }
    }
    if ((readPast && backwards) || !more) {
      const settled = now - (lost.givenUpAt ?? lost.intendedAt) >= SETTLED_MS;
      return doubtful || !settled ? unknown : { found: false, certainty: 'absent' };
    }
    after = videos.at(-1)?.id;
    if (after === undefined) return unknown;
  }
  return unknown;
}

/** `perhaps`: nothing speaks against it, but the prompt, which alone speaks for it, is not told, or not quite ours. */
function likenessOf(video: VideoResource, { request, upstreamModel }: UnknownSubmission) {
  const { source } = request;
  const differs =
    // A job from a source has the model, the size and (remixed) the seconds of that, and is told by its prompt.
    (!source &&
      ((video.model != null && !isModel(video.model, upstreamModel)) ||
        (video.seconds != null && Number(video.seconds) !== request.duration) ||
        (video.size != null && video.size !== sizeText(request)))) ||
    (video.remixed_from_video_id != null && video.remixed_from_video_id !== source?.upstreamId);
  const words = video.prompt == null ? 'near' : matchPrompt(request.prompt, video.prompt);
  if (differs || words === 'different') return 'other';
  return words === 'near' ? 'perhaps' : 'same';
}

/** A job may tell the dated name of its model: `sora-2-2025-10-06` for `sora-2`. */
const isModel = (told: string, asked: string): boolean =>
  told === asked ||
  (told.startsWith(`${asked}-`) && /^\d{4}-\d{2}-\d{2}$/.test(told.slice(asked.length + 1)));
