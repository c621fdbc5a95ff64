import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../time/clock.ts';
import { withPollAfter } from '../http/retryAfter.ts';
import { createScrub } from '../http/secrets.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { refusalError } from '../mapping/errorTable.ts';
import { createStatusReader } from '../mapping/statusTable.ts';
import { type Answer, type CancelOutcome, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { judge } from '../search/judge.ts';
import { createVideosClient } from './client.ts';
import { ERRORS, NotFound } from './errors.ts';
import { readList } from './find.ts';
import { createPollMany } from './pollMany.ts';
import { creationOf } from './request.ts';
import { readWebhook } from './webhook.ts';
import { answerOf, STATUSES, type VideoResource } from './wire.ts';

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
  /** See `creationOf`. */
  readonly jsonCreate: boolean;
  /** Whether jobs are polled by pages of the list. */
  readonly pollsByList: boolean;
  readonly clock: Clock;
  readonly openHttp: OpenHttp;
  readonly log: Log;
}

/** The OpenAI Videos protocol, through OpenAI's own SDK. */
export function createOpenaiProvider(options: OpenaiOptions): Provider {
  const { baseUrl, clock, log, webhookSecret: secret } = options;
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
    answerOf(video, meaningOf(video.status, video.id), scrub);

  async function poll({ upstreamId }: Handle, signal: AbortSignal): Promise<Answer> {
    const retrieved = await client.retrieve(upstreamId, signal);
    if (!(retrieved instanceof NotFound)) {
      return withPollAfter(answerTo(retrieved.video), retrieved.pollAfterMs);
    }
    return { state: 'missing', ...(retrieved.detail ? { detail: retrieved.detail } : {}) };
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

    poll,
    ...(options.pollsByList ? { pollMany: createPollMany({ list: client.list, poll, answerTo, log }) } : {}),

    open: (_handle, result, offset, signal) =>
      http.open(`${baseUrl}/videos/${encodeURIComponent(result.ref)}/content`, {
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
    close: () => http.close(),
  };
}
