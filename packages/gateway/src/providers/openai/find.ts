import { sizeText } from '../../catalogue/sizes.ts';
import { matchPrompt, type PromptMatch } from '../../tasks/likeness.ts';
import type { UnknownSubmission } from '../provider.ts';
import { type Candidate, DOUBT_MS, guessedIntent, type Listing } from '../search/judge.ts';
import type { VideoResource } from './wire.ts';

/** A page of the upstream's list, newest first. */
export interface ListPage {
  readonly videos: readonly VideoResource[];
  /** Whether there are pages behind it; servers without pages do not say. */
  readonly more: boolean | undefined;
  /** When the upstream answered, by its own clock. */
  readonly listedAt: number | undefined;
}

/** Jobs of a busy account since the intent: beyond so many pages nobody can tell. */
const MAX_PAGES = 50;
/** `created_at` is cut to whole seconds. Milliseconds. */
const ROUNDING_MS = 1_000;

/** Reads the list back past the intent of a lost submission. `page`: the one behind the job of this id; the first without one. */
export async function readList(
  lost: UnknownSubmission,
  page: (after: string | undefined) => Promise<ListPage>,
): Promise<Listing> {
  const candidates: Candidate[] = [];
  /** Not every server that speaks the protocol sorts: only a list that runs backwards can be read "past" something. */
  let isBackwards = true;
  let oldest = Number.POSITIVE_INFINITY;
  let after: string | undefined;
  /** Of the first page: a job made since is not in it. */
  let listedAt: number | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { videos, more, ...answer } = await page(after);
    if (pages === 0) listedAt = answer.listedAt;
    for (const video of videos) {
      const createdAt = video.created_at == null ? undefined : video.created_at * 1000;
      candidates.push({ upstreamId: video.id, createdAt, likeness: likenessOf(video, lost) });
      if (createdAt === undefined || createdAt > oldest + ROUNDING_MS) isBackwards = false;
      else oldest = createdAt;
    }
    const hasReadPast = isBackwards && oldest < guessedIntent(lost, listedAt) - DOUBT_MS;
    after = videos.at(-1)?.id;
    if (hasReadPast || !more || after === undefined) {
      const isWhole = more === false || videos.length === 0;
      const completeSince = isWhole ? Number.NEGATIVE_INFINITY : isBackwards ? oldest : undefined;
      return { candidates, listedAt, completeSince, tellsAll: true };
    }
  }
  return { candidates, listedAt, completeSince: undefined, tellsAll: true };
}

/** `near`: nothing speaks against it, but the prompt, which alone speaks for it, is missing, or not quite ours. */
function likenessOf(video: VideoResource, { request, upstreamModel }: UnknownSubmission): PromptMatch {
  const { source } = request;
  const differs =
    // A job from a source has the model, the size and (remixed) the seconds of that, and is known by its prompt.
    (!source &&
      ((video.model != null && !isModel(video.model, upstreamModel)) ||
        (video.seconds != null && Number(video.seconds) !== request.duration) ||
        (video.size != null && video.size !== sizeText(request)))) ||
    (video.remixed_from_video_id != null && video.remixed_from_video_id !== source?.upstreamId);
  if (differs) return 'different';
  return video.prompt == null ? 'near' : matchPrompt(request.prompt, video.prompt);
}

/** A job may tell the dated name of its model: `sora-2-2025-10-06` for `sora-2`. */
const isModel = (told: string, asked: string): boolean =>
  told === asked ||
  (told.startsWith(`${asked}-`) && /^\d{4}-\d{2}-\d{2}$/.test(told.slice(asked.length + 1)));
