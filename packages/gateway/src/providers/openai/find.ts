import { sizeText } from '../../catalogue/sizes.ts';
import { matchPrompt, type PromptMatch } from '../../tasks/likeness.ts';
import type { UnknownSubmission } from '../provider.ts';
import { type Candidate, DOUBT_MS, guessedIntent, type Listing } from '../search/judge.ts';
import type { VideoResource } from './wire.ts';

/** A page of the upstream's list, newest first. */
export interface ListPage {
  readonly videos: readonly VideoResource[];
  /** Whether more pages follow. Servers without pages do not tell. */
  readonly more: boolean | undefined;
  /** When the upstream answered, by its own clock. */
  readonly listedAt: number | undefined;
  /** How long the service asks to wait before jobs are polled again, milliseconds. */
  readonly pollAfterMs: number | undefined;
}

/** The most pages that are read back to the intent. If a busy account has more jobs since then, the outcome stays unknown. */
const MAX_PAGES = 50;
/** `created_at` has whole seconds. Milliseconds. */
const ROUNDING_MS = 1_000;

/** Reads the list back past the intent of a lost submission. `page` reads the page behind the job of this id, or the first page. */
export async function readList(
  lost: UnknownSubmission,
  page: (after: string | undefined) => Promise<ListPage>,
): Promise<Listing> {
  const candidates: Candidate[] = [];
  /** Whether the list is sorted by time, newest first. Not every server sorts, and only a sorted list can be read past a time. */
  let isBackwards = true;
  let oldest = Number.POSITIVE_INFINITY;
  let after: string | undefined;
  /** When the first page was answered. Jobs made since then are not in the list. */
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
      // A page that is empty although the one before announced more: the job before it was deleted (SGLang Diffusion, `stores.py`).
      const isBroken = pages > 0 && videos.length === 0;
      const isWhole = !isBroken && (more === false || videos.length === 0);
      const completeSince = isWhole ? Number.NEGATIVE_INFINITY : isBackwards ? oldest : undefined;
      return { candidates, listedAt, completeSince, tellsAll: true };
    }
  }
  return { candidates, listedAt, completeSince: undefined, tellsAll: true };
}

/** `near`: nothing contradicts the match, but only an equal prompt would prove it, and the prompt is missing or slightly different. */
function likenessOf(video: VideoResource, { request, upstreamModel }: UnknownSubmission): PromptMatch {
  const { source } = request;
  // A service that does not repeat the prompt may not repeat size and seconds either: SGLang Diffusion tells those of the video that it makes.
  const isOtherVideo =
    video.prompt != null &&
    ((video.seconds != null && Number(video.seconds) !== request.duration) ||
      (video.size != null && video.size !== sizeText(request)));
  const differs =
    // A job with a source has the model, the size and (for a remix) the seconds of its source, so only its prompt is compared.
    (!source && ((video.model != null && !isModel(video.model, upstreamModel)) || isOtherVideo)) ||
    (video.remixed_from_video_id != null && video.remixed_from_video_id !== source?.upstreamId);
  if (differs) return 'different';
  return video.prompt == null ? 'near' : matchPrompt(request.prompt, video.prompt);
}

/** A job may report its model by a dated name: `sora-2-2025-10-06` for `sora-2`. */
const isModel = (told: string, asked: string): boolean =>
  told === asked ||
  (told.startsWith(`${asked}-`) && /^\d{4}-\d{2}-\d{2}$/.test(told.slice(asked.length + 1)));
