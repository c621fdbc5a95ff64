import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { createScrub } from '../http/secrets.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import type { Page } from '../lists/listOrder.ts';
import { createPollByList, type ListAnswer } from '../lists/pollByList.ts';
import { refusalError } from '../mapping/errorTable.ts';
import { createStatusReader } from '../mapping/statusTable.ts';
import { type Answer, type CancelOutcome, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { judge } from '../search/judge.ts';
import { createVideosClient } from './client.ts';
import { ERRORS, NotFound } from './errors.ts';
import { readList } from './find.ts';
import { PAGE_SIZE } from './flavours.ts';
import { creationOf, refusedOf } from './request.ts';
import { readWebhook } from './webhook.ts';
import { answerOf, isLink, STATUSES, type VideoResource } from './wire.ts';

/** An account of a service that speaks the Videos protocol, as its adapter needs it. */
export interface OpenaiOptions {
  /** The part before `/videos`. */
  readonly baseUrl: string;
  /** Credentials, sent only to the origin of `baseUrl`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Blanked in everything that the upstream says. */
  readonly secrets: readonly string[];
  readonly webhookSecret: string | undefined;
  /** Whether `DELETE` stops a job. */
  readonly deleteCancels: boolean;
  readonly deleteAfterCollect: boolean;
  /** Whether it may be a server of one's own. */
  readonly isOwnServer: boolean;
  /** See `creationOf`. */
  readonly jsonCreate: boolean;
  /** See `answerOf`. */
  readonly linksResults: boolean;
  /** Whether jobs are polled by pages of the list. */
  readonly pollsByList: boolean;
  readonly clock: Clock;
  readonly openHttp: OpenHttp;
  readonly log: Log;
}

/** The OpenAI Videos protocol, through OpenAI's own SDK. */
export function createOpenaiProvider(options: OpenaiOptions): Provider {
  const { baseUrl, clock, log, linksResults, webhookSecret: secret } = options;
  const headers = () => options.headers;
  const scrub = createScrub(options.secrets);
  const http = options.openHttp({
    baseUrl,
    headers,
    secrets: options.secrets,
    // Only video bytes are fetched without the SDK, and the status alone says why that failed.
    refusal: () => ({}),
    error: (refusal) => refusalError(ERRORS, refusal),
  });
  const client = createVideosClient({ baseUrl, http, headers, scrub, clock });
  const meaningOf = createStatusReader(STATUSES, log);
  const answerTo = (video: VideoResource): Answer =>
    answerOf(video, meaningOf(video.status, video.id), { scrub, linksResults });

  async function poll({ upstreamId }: Handle, signal: AbortSignal): Promise<Answer> {
    const retrieved = await client.retrieve(upstreamId, signal);
    if (!(retrieved instanceof NotFound)) {
      return withPollAfter(answerTo(retrieved.video), retrieved.pollAfterMs);
    }
    return { state: 'missing', ...(retrieved.detail ? { detail: retrieved.detail } : {}) };
  }

  async function read({ after }: Page, signal: AbortSignal): Promise<ListAnswer> {
    const { videos, more, pollAfterMs } = await client.list(after?.id, signal);
    return {
      jobs: videos.map((video) => ({ id: video.id, answer: withPollAfter(answerTo(video), pollAfterMs) })),
      more: more ?? videos.length >= PAGE_SIZE,
    };
  }

  /** Polls the job first, because `DELETE` destroys the video of a job that is over. */
  async function cancel(id: string, signal: AbortSignal): Promise<CancelOutcome> {
    const retrieved = await client.retrieve(id, signal);
    if (retrieved instanceof NotFound) return 'too_late';
    const { state } = answerTo(retrieved.video);
    if (state !== 'queued' && state !== 'in_progress') return 'too_late';
    try {
      return (await client.remove(id, signal)) ? 'cancelled' : 'too_late';
    } catch (error) {
      // Services whose `DELETE` is only for jobs that are over refuse it for a running one.
      if (error instanceof UpstreamError && error.created === 'no' && error.retry === 'never')
        return 'too_late';
      throw error;
    }
  }

  return {
    async submit(job, sending) {
      const creation = await creationOf(job, options.jsonCreate);
      const { id, status } = await client.create(creation, job.idempotencyKey, sending);
      return { upstreamId: id, state: meaningOf(status, id) === 'queued' ? 'queued' : 'in_progress' };
    },

    refusedOptions: refusedOf,

    poll,
    ...(options.pollsByList
      ? createPollByList({ pageSize: PAGE_SIZE, read, poll, listOf: () => '', log })
      : {}),

    // By the id of the creation, because a proxy may rename jobs in later answers, and knows them only by the first one.
    open: ({ upstreamId }, { ref }, offset, signal) =>
      isLink(ref)
        ? http.open(ref, { offset, signal, authorised: false })
        : http.open(`${baseUrl}/videos/${encodeURIComponent(upstreamId)}/content`, {
            offset,
            signal,
            authorised: true,
          }),

    async find(lost, signal) {
      try {
        return await judge(await readList(lost, (after) => client.list(after, signal)), lost);
      } catch (error) {
        // A server without a list can never tell.
        if (error instanceof NotFound) return { found: false, certainty: 'unknown' };
        throw error;
      }
    },

    ...(options.deleteCancels ? { cancel: ({ upstreamId }, signal) => cancel(upstreamId, signal) } : {}),
    ...(options.deleteAfterCollect
      ? {
          async discard({ upstreamId }, signal) {
            await client.remove(upstreamId, signal);
          },
        }
      : {}),
    ...(secret === undefined
      ? {}
      : { verifyCallback: (callback) => readWebhook(client.sdk, callback, secret) }),

    upstreamTime: http.upstreamTime,
    ...(options.isOwnServer ? { reach: http.reach } : {}),
    close: () => http.close(),
  };
}
