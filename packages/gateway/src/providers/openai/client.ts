import OpenAI, { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import type { z } from 'zod';
import type { Reason } from '../../tasks/reasons.ts';
import type { Clock } from '../../time/clock.ts';
import { refusalError, type UpstreamRefusal } from '../http/errorTable.ts';
import { lostCall, ownErrorIn } from '../http/lostCall.ts';
import { retryAfterMs } from '../http/retryAfter.ts';
import { createSdkFetch } from '../http/sdkFetch.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { MAKES_NOTHING, type MaySend, UpstreamError } from '../provider.ts';
import { ERRORS, ErrorBody } from './errors.ts';

/** The SDK's client over the account's connections, whose calls throw `UpstreamError` alone and give checked answers. */
export interface VideosApi {
  /** Sends one request that makes nothing, once. An answer of another shape is an error: what it means nobody can tell. */
  call<T>(shape: z.ZodType<T>, send: (client: OpenAI) => Promise<unknown>): Promise<T>;
  /** As `call`, for a request that makes a job: it leaves only while `maySend` is true. No other client here can POST. */
  create<T>(shape: z.ZodType<T>, maySend: MaySend, send: (client: OpenAI) => Promise<unknown>): Promise<T>;
  readonly client: OpenAI;
}

interface ApiParts {
  readonly baseUrl: string;
  readonly http: Pick<UpstreamHttp, 'raw'>;
  readonly headers: () => Readonly<Record<string, string>>;
  readonly scrub: Scrub;
  readonly clock: Clock;
}

/** A page of a hundred jobs, each with a prompt of 32,000 characters in four bytes each, fits. */
const MAX_BYTES = 16 * 2 ** 20;
/** Characters of an upstream's words kept for the operator. */
const WORDS = 500;

/** A 404: about a job it is an answer, not trouble. */
export class NotFound extends UpstreamError {
  constructor(reason: Reason, { message, detail }: UpstreamError) {
    super(reason, { message, created: 'no', ...(detail ? { detail } : {}) });
  }
}

export function createVideosApi({ baseUrl, http, headers, scrub, clock }: ApiParts): VideosApi {
  const client = new OpenAI({
    baseURL: baseUrl,
    // The real credentials are set by `fetch`: a server of one's own may need none, which the SDK would refuse.
    apiKey: 'set-by-fetch',
    // Undefined would mean: from environment variables, which may be another account's.
    organization: null,
    project: null,
    webhookSecret: null,
    adminAPIKey: null,
    // The SDK repeats creates too. Whether to try again is the engine's to decide, which knows what a second try may cost.
    maxRetries: 0,
    logLevel: 'off',
    fetch: fetchFor(MAKES_NOTHING, ['GET', 'DELETE']),
  });

  function fetchFor(maySend: MaySend, methods: readonly string[]): typeof globalThis.fetch {
    return createSdkFetch({ http, maySend, headers, maxBytes: MAX_BYTES, methods });
  }

  function translated(error: unknown): UpstreamError {
    const ours = ownErrorIn(error);
    if (ours) return ours;
    if (error instanceof APIUserAbortError) {
      return new UpstreamError('upstream_timeout', { detail: 'given up before the answer came' });
    }
    if (error instanceof APIError && error.status !== undefined) return refused(error);
    const lost = lostCall(error instanceof APIError ? (error.cause ?? error) : error, scrub);
    if (!(error instanceof APIConnectionTimeoutError)) return lost;
    return new UpstreamError('upstream_timeout', {
      created: lost.created,
      ...(lost.detail ? { detail: lost.detail } : {}),
    });
  }

  function refused(error: APIError): UpstreamError {
    const wait = retryAfterMs(
      {
        'retry-after': error.headers?.get('retry-after') ?? undefined,
        'retry-after-ms': error.headers?.get('retry-after-ms') ?? undefined,
      },
      clock.now(),
    );
    const refusal = refusalOf(error.error, error.status, error.message);
    const failure = refusalError(ERRORS, {
      ...refusal,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    });
    return error.status === 404 ? new NotFound(failure.reason, failure) : failure;
  }

  function refusalOf(body: unknown, status: number | undefined, words: string): UpstreamRefusal {
    const { code, message, detail } = ErrorBody.catch({}).parse(body);
    const said = message ?? (typeof detail === 'string' ? detail : detail && JSON.stringify(detail)) ?? words;
    return {
      ...(status === undefined ? {} : { status }),
      ...(code === undefined || code === null ? {} : { code: String(code) }),
      message: withoutKeys(scrub(String(said))).slice(0, WORDS),
    };
  }

  async function answerTo<T>(shape: z.ZodType<T>, sent: () => Promise<unknown>): Promise<T> {
    let answer: unknown;
    try {
      answer = await sent();
    } catch (error) {
      throw translated(error);
    }
    const parsed = shape.safeParse(answer);
    if (parsed.success) return parsed.data;
    // An error in an answer that calls itself a success is an error all the same.
    const hidden = errorIn(answer);
    if (hidden !== undefined) throw refusalError(ERRORS, refusalOf(hidden, undefined, ''));
    throw new UpstreamError('upstream_unavailable', {
      detail: `an answer that is no video: ${excerpt(JSON.stringify(answer) ?? 'nothing', scrub)}`,
    });
  }

  return {
    client,
    call: (shape, send) => answerTo(shape, () => send(client)),
    create: (shape, maySend, send) =>
      answerTo(shape, () => send(client.withOptions({ fetch: fetchFor(maySend, ['POST']) }))),
  };
}

function errorIn(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return undefined;
  return answer.error ?? undefined;
}

/** OpenAI repeats the first and last characters of a wrong key: enough to recognise it by, and nobody's business. */
const withoutKeys = (text: string): string =>
  text.replace(/(API key provided: )\S+/gi, '$1[secret]').replace(/\bsk-[\w*-]+/g, '[secret]');
