import OpenAI from 'openai';
import { z } from 'zod';
import type { Clock } from '../../time/clock.ts';
import { pollAfterMs } from '../http/retryAfter.ts';
import { createSdkFetch } from '../http/sdkFetch.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { CHECK_ADDRESS } from '../mapping/errorTable.ts';
import { MAKES_NOTHING, type MaySend, type Sending, UpstreamError } from '../provider.ts';
import { errorOf, hiddenError, NotFound } from './errors.ts';
import type { ListPage } from './find.ts';
import { PAGE_SIZE } from './flavours.ts';
import type { Creation } from './request.ts';
import { VideoList, VideoResource } from './wire.ts';

/** The calls of the Videos protocol, through the SDK. Each sends one request, checks the answer, and throws only `UpstreamError`. */
export interface VideosClient {
  /** Creates a job, if `maySend` is true when the request goes out. Every other call here can only GET or DELETE. */
  create(creation: Creation, idempotencyKey: string, sending: Sending): Promise<VideoResource>;
  retrieve(id: string, signal: AbortSignal): Promise<Retrieved | NotFound>;
  /** Resolves with false if there is no such job. */
  remove(id: string, signal: AbortSignal): Promise<boolean>;
  /** The page behind the job `after`, or the first page. */
  list(after: string | undefined, signal: AbortSignal): Promise<ListPage>;
  readonly sdk: OpenAI;
}

/** A job, and how long the service asks to wait before it is retrieved again, milliseconds. */
export interface Retrieved {
  readonly video: VideoResource;
  readonly pollAfterMs: number | undefined;
}

interface ClientParts {
  readonly baseUrl: string;
  readonly http: Pick<UpstreamHttp, 'raw'>;
  readonly headers: () => Readonly<Record<string, string>>;
  readonly scrub: Scrub;
  readonly clock: Clock;
}

/** Time limit of a call, whatever the engine allows. Milliseconds. */
const CALL_MS = 30_000;
/** Time limit of a creation: an upload of 20 MB over a slow line. Milliseconds. */
const CREATE_MS = 120_000;
/** Bytes of an answer. Enough for a page of a hundred jobs, each with a prompt of 32,000 characters of four bytes. */
const MAX_BYTES = 16 * 2 ** 20;

const RetrieveAnswer = z.object({ data: VideoResource, headers: z.record(z.string(), z.string()) });
const ListAnswer = z.object({ body: VideoList, headers: z.record(z.string(), z.string()) });

export function createVideosClient({ baseUrl, http, headers, scrub, clock }: ClientParts): VideosClient {
  const sdk = new OpenAI({
    baseURL: baseUrl,
    // `fetch` sets the real credentials. A server of one's own may need none, which the SDK would refuse.
    apiKey: 'set-by-fetch',
    // With undefined the SDK would read environment variables, which may belong to another account.
    organization: null,
    project: null,
    webhookSecret: null,
    adminAPIKey: null,
    // The SDK would repeat creations too. The engine decides on retries, because a second creation may be a second bill.
    maxRetries: 0,
    logLevel: 'off',
    fetch: fetchFor(MAKES_NOTHING, ['GET', 'DELETE']),
  });

  function fetchFor(maySend: MaySend, methods: readonly string[]): typeof globalThis.fetch {
    return createSdkFetch({ http, maySend, headers, maxBytes: MAX_BYTES, methods });
  }

  /** Throws if the answer does not have this shape: nobody can tell what it means. */
  async function call<T>(shape: z.ZodType<T>, send: () => Promise<unknown>, isCreation = false): Promise<T> {
    let answer: unknown;
    try {
      answer = await send();
    } catch (error) {
      throw errorOf(error, scrub, clock, isCreation);
    }
    const parsed = shape.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw (
      hiddenError(answer, scrub) ??
      new UpstreamError('upstream_unavailable', {
        detail: `an answer that is not a video, ${CHECK_ADDRESS}: ${excerpt(JSON.stringify(answer) ?? 'nothing', scrub)}`,
      })
    );
  }

  return {
    sdk,

    create: (creation, idempotencyKey, { signal, maySend }) =>
      call(
        VideoResource,
        () =>
          creation.send(sdk.withOptions({ fetch: fetchFor(maySend, ['POST']) }), {
            signal,
            timeout: CREATE_MS,
            maxRetries: 0,
            // No document says that the key is honoured. Where it is, a lost answer costs nothing.
            headers: { 'idempotency-key': idempotencyKey },
          }),
        !creation.ofSource,
      ),

    async retrieve(id, signal) {
      try {
        const { data, headers } = await call(RetrieveAnswer, async () => {
          const { data, response } = await sdk.videos
            .retrieve(id, { signal, timeout: CALL_MS })
            .withResponse();
          return { data, headers: Object.fromEntries(response.headers) };
        });
        return { video: data, pollAfterMs: pollAfterMs(headers, clock.now()) };
      } catch (error) {
        if (error instanceof NotFound) return error;
        throw error;
      }
    },

    async remove(id, signal) {
      try {
        await call(z.unknown(), () => sdk.videos.delete(id, { signal, timeout: CALL_MS }));
        return true;
      } catch (error) {
        if (error instanceof NotFound) return false;
        throw error;
      }
    },

    async list(after, signal) {
      const { body, headers } = await call(ListAnswer, async () => {
        const query = { limit: PAGE_SIZE, order: 'desc' as const, ...(after === undefined ? {} : { after }) };
        // Read without the SDK's page class, which turns an answer without a list into an empty page.
        const response = await sdk.videos.list(query, { signal, timeout: CALL_MS }).asResponse();
        return { body: await response.json(), headers: Object.fromEntries(response.headers) };
      });
      const listedAt = Date.parse(headers.date ?? '');
      return {
        videos: body.data,
        more: body.has_more ?? undefined,
        listedAt: Number.isNaN(listedAt) ? undefined : listedAt,
        pollAfterMs: pollAfterMs(headers, clock.now()),
      };
    },
  };
}
