import type { Log } from '../../observability/log.ts';
import { isOwnTrouble } from '../http/lostCall.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { type Answer, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { PAGE_SIZE } from './client.ts';
import type { ListPage } from './find.ts';
import type { VideoResource } from './wire.ts';

interface Parts {
  /** The page behind the job `after`, newest first, or the first page. */
  list(after: string | undefined, signal: AbortSignal): Promise<ListPage>;
  poll(handle: Handle, signal: AbortSignal): Promise<Answer>;
  answerTo(video: VideoResource): Answer;
  readonly log: Pick<Log, 'warn'>;
}

/** How many lists in a row may bring nothing before jobs are polled one by one. Old jobs are found on the way from page to page. */
const PATIENCE = 5;
/** After so many further batches the list is tried again: it may have been mended, and one request in a thousand costs little. */
const RESTING_BATCHES = 1000;
/** So many if it failed as a whole upstream may fail. */
const OUTAGE_BATCHES = 16;

/**
 * Polls many jobs with one page of the list, which answers about every job on it. Sends one request for each call, whatever becomes of
 * it: where the list is of no use, that is a poll of the first job.
 */
export function createPollMany(parts: Parts): NonNullable<Provider['pollMany']> {
  const { list, poll, answerTo, log } = parts;
  const memory = createPageMemory();
  /** Lists in a row that brought no more than a poll of one job. */
  let failures = 0;
  let resting = 0;
  let isLogged = false;

  /** Polls one by one for a while. */
  function rest(detail: string | undefined, batches = RESTING_BATCHES): void {
    // After that, one more failure is enough.
    failures = PATIENCE - 1;
    resting = batches;
    if (isLogged) return;
    isLogged = true;
    log.warn(
      { event: 'upstream.list_refused', detail },
      'the list of jobs is of no use; they are polled one by one',
    );
  }

  function failed(detail: string | undefined, batches?: number): void {
    failures += 1;
    if (failures >= PATIENCE) rest(detail, batches);
  }

  /** Throws if the failure is not one of the list alone. */
  function listFailed(error: unknown, after: string | undefined): void {
    if (!(error instanceof UpstreamError) || isOwnTrouble(error)) throw error;
    const { reason, detail } = error;
    if (reason === 'invalid_request' || reason === 'auth_failed') {
      // No such call, or a key that may not list. Behind a job, the upstream may only not know that job.
      if (after === undefined) rest(detail);
      else {
        memory.forget(after);
        failed(detail);
      }
      return;
    }
    // Other failures may pass. If they do not, jobs must not wait for the list until their deadline.
    if (reason === 'upstream_unavailable' || reason === 'upstream_timeout') failed(detail, OUTAGE_BATCHES);
    if (resting === 0) throw error;
  }

  return async (handles, signal) => {
    const [first] = handles;
    if (!first) return new Map();
    const { after, expected } = memory.choose(handles);
    if (resting > 0 || expected < 2) {
      resting = Math.max(0, resting - 1);
      return new Map([[first.upstreamId, await poll(first, signal)]]);
    }
    try {
      const page = await list(after, signal);
      memory.learn(handles, after, page);
      const answers = new Map(
        page.videos.map((video) => [video.id, withPollAfter(answerTo(video), page.pollAfterMs)]),
      );
      const answered = handles.filter(({ upstreamId }) => answers.has(upstreamId)).length;
      if (answered >= 2) failures = 0;
      else failed(`a page has ${answered} of ${handles.length} jobs`);
      return answers;
    } catch (error) {
      listFailed(error, after);
      return new Map();
    }
  };
}

/** Jobs of which it is remembered on which page they were: some hundred bytes each. */
const MOST_REMEMBERED = 10_000;

/** On which page of the list jobs were seen last. Only a guess: what a page leaves out is polled otherwise. */
function createPageMemory(): {
  /** The job behind which the page with the most of these jobs begins, undefined for the first page; and how many it should have. */
  choose(handles: readonly Handle[]): { readonly after: string | undefined; readonly expected: number };
  learn(handles: readonly Handle[], after: string | undefined, page: ListPage): void;
  /** The upstream does not know the job behind which a page began. */
  forget(after: string): void;
} {
  /** By job: the job behind which its page began. The page behind a job stays the same, while jobs leave the first one as new ones come. */
  const pages = new Map<string, string | undefined>();

  function remember(id: string, after: string | undefined): void {
    pages.delete(id);
    pages.set(id, after);
  }

  function forget(after: string): void {
    for (const [id, cursor] of pages) if (cursor === after) pages.delete(id);
  }

  return {
    forget,
    choose(handles) {
      const counts = new Map<string | undefined, number>();
      let best: { after: string | undefined; expected: number } = { after: undefined, expected: 0 };
      for (const { upstreamId } of handles) {
        const after = pages.get(upstreamId);
        const expected = (counts.get(after) ?? 0) + 1;
        counts.set(after, expected);
        if (expected > best.expected) best = { after, expected };
      }
      return best;
    },
    learn(handles, after, { videos, more }) {
      // Some servers answer so about a job that they do not know.
      if (videos.length === 0 && after !== undefined) {
        forget(after);
        return;
      }
      const expected = handles.filter(({ upstreamId }) => pages.get(upstreamId) === after);
      const seen = new Set(videos.map(({ id }) => id));
      for (const id of seen) remember(id, after);
      const last = videos.at(-1)?.id;
      const goesOn = more ?? videos.length >= PAGE_SIZE;
      for (const { upstreamId } of expected) {
        if (seen.has(upstreamId)) continue;
        if (goesOn && last !== undefined) remember(upstreamId, last);
        else pages.delete(upstreamId);
      }
      for (const id of pages.keys()) if (pages.size > MOST_REMEMBERED) pages.delete(id);
    },
  };
}
