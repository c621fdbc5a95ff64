import OpenAI, { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import type { z } from 'zod';
import type { Clock } from '../../tasks/clock.ts';
import type { Reason } from '../../tasks/reasons.ts';
import { refusalError, type UpstreamRefusal } from '../http/errorTable.ts';
import { lostCall } from '../http/lostCall.ts';
import { retryAfterMs } from '../http/retryAfter.ts';
import { createSdkFetch } from '../http/sdkFetch.ts';
import { excerpt, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { UpstreamError } from '../provider.ts';
import { ErrorBody } from './resource.ts';
import { ERRORS } from './tables.ts';

/** The SDK's client over the account's connections, whose calls throw `UpstreamError` alone and give checked answers. */
export interface VideosApi {
  /** Sends one request, once. An answer of another shape is an error: what it means nobody can tell. */
  call<T>(shape: z.ZodType<T>, send: (client: OpenAI) => Promise<unknown>): Promise<T>;
  readonly client: OpenAI;
}

interface ApiParts {
  readonly baseUrl: string;
  readonly http: Pick<UpstreamHttp, 'dispatcher'>;
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
    fetch: createSdkFetch({ dispatcher: http.dispatcher, headers, maxBytes: MAX_BYTES }),
  });

  function translated(error: unknown): UpstreamError {
    const inner = causeOf(error);
    if (inner) return inner;
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

  return {
    client,
    async call(shape, send) {
      let answer: unknown;
      try {
        answer = await send(client);
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
    },
  };
}

/** Our own error, where the SDK wrapped one that its `fetch` threw. */
function causeOf(error: unknown): UpstreamError | undefined {
  if (error instanceof UpstreamError) return error;
  return error instanceof Error && error.cause !== undefined ? causeOf(error.cause) : undefined;
}

function errorIn(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return undefined;
  return answer.error ?? undefined;
}

/** OpenAI repeats the first and last characters of a wrong key: enough to recognise it by, and nobody's business. */
const withoutKeys = (text: string): string =>
  text.replace(/(API key provided: )\S+/gi, '$1[secret]').replace(/\bsk-[\w*-]+/g, '[secret]');
