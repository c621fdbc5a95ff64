import { ApiError, apiErrorOf, ConnectionError, isTransient } from './errors.ts';
import { createBackoff, type LinkedSignal, LONGEST_ASKED_MS, linkSignal, type Timing } from './timing.ts';

/** How to reach the server. */
export interface HttpOptions {
  /** Where the server is, with or without `/v1` at its end: `https://video.example.com`. */
  readonly baseUrl: string | URL;
  readonly apiKey: string;
  /** Sends the requests instead of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** How often a call that may be repeated is repeated after a failure. 5 by default. `wait` does not count. */
  readonly maxRetries?: number | undefined;
}

/** One call of the API. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the base URL. A whole URL of another origin is called without the API key. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer is there: the whole of it, or for `open` its headers. A large body has longer. Milliseconds. */
  readonly timeoutMs?: number;
  /** Whether it may be sent again after a failure that says nothing of whether it was received. */
  readonly repeatable?: boolean;
}

export interface Answer<T> {
  readonly headers: Headers;
  readonly body: T;
}

export interface Http {
  readonly timing: Timing;
  /** An answer with JSON. Throws an `ApiError` or a `ConnectionError`, or what `signal` was aborted with. */
  json<T>(call: Call): Promise<Answer<T>>;
  /** An answer whose body is still to be read. The caller releases `link`, which ends the body when it is aborted. */
  open(call: Call): Promise<{ readonly response: Response; readonly link: LinkedSignal }>;
}

const TIMEOUT_MS = 60_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8000;
/** What Node and undici say of a connection that was never there. */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** The slowest upload that the server allows for: 1 Mbit/s. Bytes a millisecond. */
const SLOWEST_UPLOAD = 125;

export function createHttp(options: HttpOptions, timing: Timing): Http {
  const base = baseOf(options.baseUrl);
  const { apiKey, maxRetries = 5 } = options;
  if (typeof apiKey !== 'string' || apiKey === '')
    throw new TypeError('apiKey is missing; an operator makes keys.');
  if (!isHeaderWord(apiKey))
    throw new TypeError(
      'apiKey has a space, a line break or a character that no key has; check how it was copied.',
    );
  // Called as a plain function: browsers refuse `fetch` as a method of anything else.
  const send: typeof fetch = options.fetch ?? ((url, init) => fetch(url, init));

  /** One attempt. `read` takes what it needs of the answer before the time is over. */
  async function attempt<T>(call: Call, link: LinkedSignal, read: (response: Response) => Promise<T>) {
    const url = urlOf(base, call);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const timeoutMs = (call.timeoutMs ?? TIMEOUT_MS) + Math.floor((body?.length ?? 0) / SLOWEST_UPLOAD);
    link.abortAfter(timeoutMs, () => new ConnectionError(`No answer within ${timeoutMs / 1000} s.`));
    try {
      const response = await send(url, {
        method: call.method ?? 'GET',
        headers: {
          ...(url.origin === base.origin ? { authorization: `Bearer ${apiKey}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
        ...(body === undefined ? {} : { body }),
        signal: link.signal,
      });
      if (!response.ok) throw await apiErrorOf(response);
      return await read(response);
    } catch (error) {
      if (link.signal.aborted) throw link.signal.reason;
      if (error instanceof ApiError || error instanceof ConnectionError) throw error;
      throw new ConnectionError(
        `${url.origin} could not be reached, or the connection broke (${reasonOf(error)}).`,
        { cause: error },
      );
    }
  }

  async function repeated<T>(call: Call, once: () => Promise<T>): Promise<T> {
    const backoff = createBackoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, timing.random);
    let received: false | undefined = false;
    for (let failures = 0; ; failures++) {
      try {
        return await once();
      } catch (error) {
        if (!NOT_CONNECTED.has(reasonOf(error))) received = undefined;
        if (error instanceof ConnectionError) error.received = received;
        if (!call.repeatable || failures >= maxRetries || !isTransient(error)) throw error;
        const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
        // Not waited for: the caller may have something better to do.
        if (asked !== undefined && asked > LONGEST_ASKED_MS) throw error;
        await timing.sleep(backoff.next(asked), call.signal);
      }
    }
  }

  return {
    timing,
    json: (call) =>
      repeated(call, async () => {
        const link = linkSignal(call.signal);
        try {
          return await attempt(call, link, async (response) => ({
            headers: response.headers,
            body: jsonOf(await response.text()),
          }));
        } finally {
          link.release();
        }
      }),
    open: (call) =>
      repeated(call, async () => {
        const link = linkSignal(call.signal);
        try {
          const response = await attempt(call, link, async (opened) => opened);
          link.holdOff();
          return { response, link };
        } catch (error) {
          link.release();
          throw error;
        }
      }),
  };
}

/** Whether a text can be a key in a header: visible ASCII. `fetch` would fail with anything else as it fails without a connection. */
export const isHeaderWord = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** The code of the first cause, such as `ECONNREFUSED`; where the platform has none, its message. */
function reasonOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause)
    if ('code' in at && typeof at.code === 'string') return at.code;
  return error instanceof Error ? error.message : String(error);
}

function baseOf(given: string | URL): URL {
  if (given === undefined) throw new TypeError('baseUrl is missing: it is spelled baseUrl.');
  let base: URL;
  try {
    base = new URL(given);
  } catch {
    throw new TypeError('baseUrl must be a URL, such as https://video.example.com.');
  }
  if (!/^https?:$/.test(base.protocol)) throw new TypeError('baseUrl must begin with http:// or https://.');
  // Where people are used to clients whose base URL ends with it.
  base.pathname = base.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return base;
}

function urlOf(base: URL, { path, query = {} }: Call): URL {
  const url = /^https?:/.test(path) ? new URL(path) : new URL(base.pathname.replace(/\/$/, '') + path, base);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.append(name, String(value));
  return url;
}

// biome-ignore lint/suspicious/noExplicitAny: the caller says what the server answers with
function jsonOf(text: string): any {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // A page of a proxy, or half of an answer.
    throw new ConnectionError('The answer is not JSON; check baseUrl.', { cause });
  }
}
