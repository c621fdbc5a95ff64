import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { type Dispatcher, FormData, request } from 'undici';
import { unreadStream } from '../../net/unreadStream.ts';
import type { Clock } from '../../time/clock.ts';
import type { Json } from '../mapping/body.ts';
import { CHECK_ADDRESS, isForeign, type UpstreamRefusal } from '../mapping/errorTable.ts';
import { MAKES_NOTHING, type MaySend, UpstreamError } from '../provider.ts';
import { MAX_ANSWER_BYTES, readBounded } from './boundedBody.ts';
import { lostCall } from './lostCall.ts';
import { pollAfterMs, retryAfterMs } from './retryAfter.ts';
import { excerpt, type Scrub } from './secrets.ts';

/** Requests with JSON bodies and JSON answers. */
export interface Calls {
  /** Sends one request and reads its JSON. Throws `UpstreamError`. Never repeats a request and never follows a redirect. */
  call(call: UpstreamCall): Promise<UpstreamAnswer>;
  /** Like `call`, but returns the unread body, for answers too large to be held in memory. The caller destroys it. */
  stream(call: UpstreamCall): Promise<StreamedAnswer>;
}

/** A POST and its like carry a condition, because they may create a job upstream. */
export type UpstreamCall = CallParts &
  (
    | { readonly method: 'GET' | 'DELETE' }
    | { readonly method: 'POST' | 'PUT' | 'PATCH'; readonly maySend: MaySend }
  );

interface CallParts {
  /** The part after the base URL, with its query: `/tasks?id=1`. */
  readonly path: string;
  readonly json?: Json;
  /** A body as `multipart/form-data`, instead of `json`. */
  readonly form?: readonly FormField[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** The most bytes of the answer. 4 MiB by default. */
  readonly maxBytes?: number;
}

export interface FormField {
  readonly name: string;
  readonly value: string | File;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON, or undefined if the body is empty. */
  readonly body: unknown;
  /** See `pollAfterMs`. */
  readonly pollAfterMs: number | undefined;
}

export interface StreamedAnswer {
  readonly body: Readable;
  /** See `pollAfterMs`. */
  readonly pollAfterMs: number | undefined;
}

/** How an adapter describes its account. */
export interface HttpOptions {
  /** Without a slash at the end. Empty if only an SDK knows the address: then there is no `call` and no `stream`. */
  readonly baseUrl: string;
  /** The credentials for a call. Read before each call, because tokens expire. Throws only `UpstreamError`. */
  readonly headers: (
    signal: AbortSignal,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Blanked in everything that the upstream says. */
  readonly secrets: readonly string[];
  /** Reads from a body why a call was refused. `status` and `Retry-After` are added by the caller. */
  readonly refusal: (body: unknown, status: number) => UpstreamRefusal | Promise<UpstreamRefusal>;
  /** The error for a refusal. */
  readonly error: (refusal: UpstreamRefusal) => UpstreamError;
}

interface CallsParts {
  readonly options: HttpOptions;
  readonly scrub: Scrub;
  readonly clock: Clock;
  /** Sends requests that create nothing upstream. */
  readonly dispatcher: Dispatcher;
  /** Makes a dispatcher that sends a request only under this condition. */
  readonly dispatcherFor: (maySend: MaySend) => Dispatcher;
}

export function createCalls({ options, scrub, clock, dispatcher, dispatcherFor }: CallsParts): Calls {
  async function call(wanted: UpstreamCall): Promise<UpstreamAnswer> {
    const answer = await send(wanted);
    const { statusCode: status, headers } = answer;
    const text = await textOf(answer, wanted);
    if (status < 200 || status >= 300) throw await refused(wanted, answer, text);
    const body = parse(text);
    if (body !== UNREADABLE) return { status, headers, body, pollAfterMs: pollAfterMs(headers, clock.now()) };
    throw new UpstreamError('upstream_unavailable', {
      detail: `${status} with a body that is not JSON, ${CHECK_ADDRESS}: ${excerpt(text, scrub)}`,
    });
  }

  async function stream(wanted: UpstreamCall): Promise<StreamedAnswer> {
    const answer = await send(wanted);
    const { statusCode: status, headers, body } = answer;
    if (status >= 200 && status < 300)
      return { body: unreadStream(body), pollAfterMs: pollAfterMs(headers, clock.now()) };
    throw await refused(wanted, answer, await textOf(answer, wanted));
  }

  async function refused(
    wanted: UpstreamCall,
    { statusCode: status, headers }: Dispatcher.ResponseData,
    text: string,
  ): Promise<UpstreamError> {
    const body = parse(text);
    const isJson = body !== UNREADABLE && body !== undefined;
    const refusal = await options.refusal(isJson ? body : undefined, status);
    const wait = refusal.retryAfterMs ?? retryAfterMs(headers, clock.now());
    return options.error({
      ...refusal,
      status,
      isForeign: isForeign(status, text, isJson),
      isCreation: 'maySend' in wanted && wanted.maySend !== MAKES_NOTHING,
      message: refusal.message === undefined ? excerpt(text, scrub) : scrub(refusal.message),
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    });
  }

  async function send(wanted: UpstreamCall): Promise<Dispatcher.ResponseData> {
    const { method, path, json, form, headers, signal } = wanted;
    const own = await options.headers(signal);
    try {
      return await request(`${options.baseUrl}${path}`, {
        method,
        dispatcher: 'maySend' in wanted ? dispatcherFor(wanted.maySend) : dispatcher,
        signal,
        headers: {
          ...own,
          accept: 'application/json',
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(form ? { body: formOf(form) } : json === undefined ? {} : { body: JSON.stringify(json) }),
      });
    } catch (error) {
      throw lostCall(error, scrub, CHECK_ADDRESS);
    }
  }

  async function textOf({ body }: Dispatcher.ResponseData, { maxBytes = MAX_ANSWER_BYTES }: UpstreamCall) {
    try {
      return (await readBounded(body, maxBytes)).toString('utf8');
    } catch (error) {
      throw error instanceof UpstreamError ? error : lostCall(error, scrub);
    }
  }

  return { call, stream };
}

function formOf(fields: readonly FormField[]): FormData {
  const form = new FormData();
  for (const { name, value } of fields) form.append(name, value);
  return form;
}

const UNREADABLE = Symbol('not JSON');

function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return UNREADABLE;
  }
}
