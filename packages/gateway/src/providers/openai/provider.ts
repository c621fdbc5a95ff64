import { z } from 'zod';
import type { Log } from '../../observability/log.ts';
import type { UpstreamResult } from '../../tasks/task.ts';
import type { Clock } from '../../time/clock.ts';
import { failureWords, refusalError } from '../http/errorTable.ts';
import { judge } from '../http/judge.ts';
import { createScrub } from '../http/secrets.ts';
import { createStatusReader } from '../http/statusTable.ts';
import type { OpenHttp } from '../http/upstreamHttp.ts';
import { type Answer, type Handle, type Provider, UpstreamError } from '../provider.ts';
import { createVideosApi, NotFound } from './client.ts';
import { ERRORS } from './errors.ts';
import { type ListPage, readList } from './find.ts';
import { creationOf } from './request.ts';
import { readWebhook } from './webhook.ts';
import { STATUSES, VideoList, VideoResource } from './wire.ts';

/** An account of a service that speaks the Videos protocol, as its adapter needs it. */
export interface OpenaiOptions {
  /** Up to and without `/videos`. */
  readonly baseUrl: string;
  /** Credentials, sent to the origin of `baseUrl` alone. */
  readonly headers: Readonly<Record<string, string>>;
  /** Blanked in whatever the upstream says. */
  readonly secrets: readonly string[];
  readonly webhookSecret: string | undefined;
  /** Whether `DELETE` stops a job. */
  readonly deleteCancels: boolean;
  readonly deleteAfterCollect: boolean;
  /** See `creationOf`. */
  readonly jsonCreate: boolean;
  readonly clock: Clock;
  readonly openHttp: OpenHttp;
  readonly log: Log;
}

/** Stages of a call end after this, whatever the engine allows. Milliseconds. */
const ASK_MS = 30_000;
/** An upload of 20 MB over a slow line. Milliseconds. */
const CREATE_MS = 120_000;
/** openapi.yaml, listVideos: 100 at most. */
const PAGE = 100;

/** The OpenAI Videos protocol, through OpenAI's own SDK. */
export function createOpenaiProvider(options: OpenaiOptions): Provider {
  const { baseUrl, clock, log, webhookSecret: secret } = options;
  const headers = () => options.headers;
  const scrub = createScrub(options.secrets);
  const http = options.openHttp({
    baseUrl,
    headers,
    secrets: options.secrets,
    // Bytes alone are fetched past the SDK, and what hinders that is shown by the status.
    refusal: () => ({}),
    error: (refusal) => refusalError(ERRORS, refusal),
  });
  const { call, create, client } = createVideosApi({ baseUrl, http, headers, scrub, clock });
  const meaningOf = createStatusReader(STATUSES, log);

  async function retrieve(handle: Handle, signal: AbortSignal): Promise<VideoResource | NotFound> {
    try {
      return await call(VideoResource, (sdk) =>
        sdk.videos.retrieve(handle.upstreamId, { signal, timeout: ASK_MS }),
      );
    } catch (error) {
      if (error instanceof NotFound) return error;
      throw error;
    }
  }

  /** False where there is no such job. */
  async function remove(handle: Handle, signal: AbortSignal): Promise<boolean> {
    try {
      await call(z.unknown(), (sdk) => sdk.videos.delete(handle.upstreamId, { signal, timeout: ASK_MS }));
      return true;
    } catch (error) {
      if (error instanceof NotFound) return false;
      throw error;
    }
  }

  /** Services whose `DELETE` is for jobs that are over refuse it for one that runs. */
  async function stopped(handle: Handle, signal: AbortSignal): Promise<boolean> {
    try {
      return await remove(handle, signal);
    } catch (error) {
      if (error instanceof UpstreamError && error.created === 'no' && error.retry === 'never') return false;
      throw error;
    }
  }

  async function listPage(after: string | undefined, signal: AbortSignal): Promise<ListPage> {
    const { body, date } = await call(ListAnswer, async (sdk) => {
      const query = { limit: PAGE, order: 'desc' as const, ...(after === undefined ? {} : { after }) };
      // The SDK's own pages make an empty list of any answer that holds none.
      const response = await sdk.videos.list(query, { signal, timeout: ASK_MS }).asResponse();
      return { body: await response.json(), date: response.headers.get('date') };
    });
    const listedAt = Date.parse(date ?? '');
    return {
      videos: body.data,
      more: body.has_more ?? undefined,
      listedAt: Number.isNaN(listedAt) ? undefined : listedAt,
    };
  }

  function answerOf(video: VideoResource): Answer {
    const meaning = meaningOf(video.status, video.id);
    switch (meaning) {
      case 'succeeded':
        return { state: 'succeeded', result: resultOf(video) };
      case 'failed':
        return { state: 'failed', ...failureOf(video) };
      case 'queued':
      case 'in_progress':
        return { state: meaning, ...(video.progress == null ? {} : { progress: percent(video.progress) }) };
      default:
        // The table has no other word.
        return { state: 'in_progress' };
    }
  }

  function failureOf({ error }: VideoResource) {
    return failureWords(ERRORS, {
      ...(error?.code == null ? {} : { code: String(error.code) }),
      ...(error?.message == null ? {} : { message: scrub(error.message) }),
    });
  }

  return {
    async start(job, { signal, maySend }) {
      const creation = await creationOf(job, options.jsonCreate);
      const video = await create(VideoResource, maySend, (sdk) =>
        creation.send(sdk, {
          signal,
          timeout: CREATE_MS,
          maxRetries: 0,
          // Nobody documents that it is honoured; where it is, a lost answer costs nothing.
          headers: { 'idempotency-key': job.idempotencyKey },
        }),
      );
      return {
        upstreamId: video.id,
        state: meaningOf(video.status, video.id) === 'queued' ? 'queued' : 'in_progress',
      };
    },

    async ask(handle, signal) {
      const video = await retrieve(handle, signal);
      if (video instanceof NotFound)
        return { state: 'missing', ...(video.detail ? { detail: video.detail } : {}) };
      return answerOf(video);
    },

    open: (_handle, result, offset, signal) =>
      http.open(`${baseUrl}/videos/${encodeURIComponent(result.ref)}/content`, {
        offset,
        signal,
        authorised: true,
      }),

    async find(lost, signal) {
      try {
        return await judge(await readList(lost, (after) => listPage(after, signal)), lost);
      } catch (error) {
        // A server without a list cannot tell, today or later.
        if (error instanceof NotFound) return { found: false, certainty: 'unknown' };
        throw error;
      }
    },

    ...(options.deleteCancels
      ? {
          async cancel(handle: Handle, signal: AbortSignal) {
            // The same call destroys the video of a job that is over.
            const video = await retrieve(handle, signal);
            if (video instanceof NotFound) return 'too_late' as const;
            const { state } = answerOf(video);
            if (state !== 'queued' && state !== 'in_progress') return 'too_late' as const;
            return (await stopped(handle, signal)) ? ('cancelled' as const) : ('too_late' as const);
          },
        }
      : {}),

    ...(options.deleteAfterCollect
      ? {
          async discard(handle: Handle, signal: AbortSignal) {
            await remove(handle, signal);
          },
        }
      : {}),

    ...(secret === undefined ? {} : { verifyCallback: (callback) => readWebhook(client, callback, secret) }),

    upstreamTime: http.upstreamTime,
    close: () => http.close(),
  };
}

const ListAnswer = z.object({ body: VideoList, date: z.string().nullable() });

function resultOf({ id, expires_at: expires, seconds }: VideoResource): UpstreamResult {
  const duration = Number(seconds ?? Number.NaN);
  return {
    ref: id,
    ...(expires == null ? {} : { expiresAt: expires * 1000 }),
    ...(duration > 0 ? { duration } : {}),
  };
}

const percent = (progress: number): number => Math.min(100, Math.max(0, Math.round(progress)));
