import dns from 'node:dns';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { Agent, type Dispatcher, request } from 'undici';
import { createAddressPolicy, isLocalhost } from './allowList.ts';
import { createCallerLookup } from './callerLookup.ts';
import { FetchError } from './fetchError.ts';
import { createGuardedConnector, type Lookup } from './guardedConnect.ts';
import { createGuardedTunnel, type TunnelOptions } from './guardedTunnel.ts';
import { createProxyFor, type ProxySettings } from './proxies.ts';

export interface GuardedFetchOptions {
  /** Non-public host names, addresses and ranges that the operator allows in URLs. */
  readonly allowHosts?: readonly string[];
  /** Resolves names; default: `createCallerLookup`. Tests replace it. */
  readonly lookup?: Lookup;
  /** The timeout of a whole fetch, from resolving through redirects to the last byte. Milliseconds. */
  readonly timeoutMs?: number;
  readonly maxRedirects?: number;
  /** The operator's proxies. The guard also applies to requests through them. */
  readonly proxies?: ProxySettings | undefined;
  /** As in `TunnelOptions`. */
  readonly proxyResolves?: TunnelOptions['proxyResolves'];
}

export interface GuardedRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** The limit for the response body, in bytes. */
  readonly maxBytes: number;
  /** Reads the first `maxBytes` of any response, whatever its status, as far as they come, and leaves the rest. */
  readonly anyAnswer?: true;
  /** Whether to read the body of a successful response, by its content type (empty if it has none). */
  readonly accept?: (contentType: string) => boolean;
  readonly signal?: AbortSignal;
  /** The timeout of this fetch in place of the general one. Milliseconds. */
  readonly timeoutMs?: number;
  /** Takes the body of a successful response piece by piece, in place of the answer. What it throws is thrown. */
  readonly into?: (pieces: AsyncIterable<Buffer>) => Promise<void>;
}

export interface GuardedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Empty unless the status is 2xx or any answer was asked for, and if it went elsewhere. */
  readonly body: Buffer;
  /** The URL after all redirects. */
  readonly url: string;
}

/** Fetches a URL from a caller. Throws `FetchError`, or the reason of an aborted `signal`. */
export type GuardedFetch = (url: string, request: GuardedRequest) => Promise<GuardedAnswer>;

const TIMEOUT_MS = 20_000;
const MAX_REDIRECTS = 3;
/** The redirects of RFC 9110, section 15.4, that are followed to their `Location`. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Creates the only client for URLs from callers. It connects to public addresses only (see `createGuardedConnector`), checks
 * every redirect again, limits bytes, time and redirects, and decompresses nothing. A POST is not redirected: it returns the 3xx.
 */
export function createGuardedFetch({
  allowHosts = [],
  timeoutMs = TIMEOUT_MS,
  maxRedirects = MAX_REDIRECTS,
  proxies,
  proxyResolves = false,
  ...options
}: GuardedFetchOptions = {}): GuardedFetch {
  const policy = createAddressPolicy(allowHosts);
  const { lookup = createCallerLookup(policy) } = options;
  const proxyFor = proxies ? createProxyFor(proxies) : () => undefined;
  const tunnel = createGuardedTunnel({ policy, lookup, timeoutMs, proxyResolves });
  const agent = new Agent({
    connect: createGuardedConnector(policy, lookup, timeoutMs),
    // Every request has its own connection, so nothing stays open and callers share nothing.
    pipelining: 0,
  });

  /** Follows redirects up to the first response that is not a redirect. */
  async function follow(first: string, asked: GuardedRequest, signal: AbortSignal) {
    const { method = 'GET', headers = {}, body = null } = asked;
    let url = checkedUrl(first);
    for (let hop = 0; ; hop += 1) {
      const proxy = proxyFor(url);
      const way = proxy === undefined ? { dispatcher: agent, url } : await tunnel(proxy, url);
      const answer = await request(way.url, {
        dispatcher: way.dispatcher,
        method,
        headers: {
          host: url.host,
          'user-agent': 'onetake',
          ...(hop === 0 ? headers : withoutCredentials(headers)),
          'accept-encoding': 'identity',
        },
        body,
        signal,
        // Otherwise connections to a proxy would stay open.
        reset: true,
      });
      if (method !== 'GET' || !REDIRECTS.has(answer.statusCode)) return { answer, url };
      discard(answer);
      if (hop === maxRedirects) throw new FetchError('too_many_redirects');
      const { location } = answer.headers;
      if (typeof location !== 'string') throw new FetchError('bad_redirect');
      url = checkedUrl(location, url);
    }
  }

  return async (url, asked) => {
    const timeout = AbortSignal.timeout(asked.timeoutMs ?? timeoutMs);
    const signal = asked.signal ? AbortSignal.any([asked.signal, timeout]) : timeout;
    try {
      const { answer, url: end } = await unlessAborted(signal, follow(url, asked, signal));
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: await readBody(answer, asked),
        url: end.href,
      };
    } catch (error) {
      asked.signal?.throwIfAborted();
      if (error instanceof NotTaken) throw error.cause;
      if (error instanceof FetchError) throw error;
      throw new FetchError(problemOf(error, timeout), undefined, error);
    }
  };
}

/** What a resolver says of a name that has no address, or cannot be one. */
const NO_NAMES: ReadonlySet<unknown> = new Set([dns.NOTFOUND, dns.NODATA, dns.BADNAME]);

function problemOf(error: unknown, timeout: AbortSignal) {
  if (timeout.aborted || codeOf(error) === 'UND_ERR_CONNECT_TIMEOUT') return 'timed_out';
  return NO_NAMES.has(codeOf(error)) ? 'not_public' : 'unreachable';
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** Rejects at once on an abort. undici notices it only once it is connected, and a resolver may not respond. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function checkedUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password) {
    throw new FetchError('bad_url');
  }
  // Lower ports belong to mail, shells and other services that could misread an HTTP request as their own protocol.
  if (url.port !== '' && Number(url.port) < 1024 && !['80', '443'].includes(url.port)) {
    throw new FetchError('bad_port');
  }
  return url;
}

/** Throws a `FetchError` for a URL that is never fetched, as far as that is known before its host is resolved. */
export function createUrlCheck(allowHosts: readonly string[] = []): (url: string) => void {
  const policy = createAddressPolicy(allowHosts);
  return (text) => {
    // Parsing drops or encodes these, so what is stored and shown would not be what is fetched.
    if (/\p{Cc}|^\s|\s$/u.test(text)) throw new FetchError('bad_url');
    const host = checkedUrl(text).hostname.replace(/^\[|\]$/g, '');
    const address = isLocalhost(host) ? '127.0.0.1' : host;
    if (isIP(address) !== 0 && !policy.allows(host, address)) throw new FetchError('not_public');
  };
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  const secret = new Set(['authorization', 'cookie', 'proxy-authorization']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.has(name.toLowerCase())));
}

async function readBody(answer: Dispatcher.ResponseData, asked: GuardedRequest): Promise<Buffer> {
  const { statusCode, headers, body } = answer;
  try {
    if (asked.anyAnswer) return await firstBytes(body, asked.maxBytes);
    if (statusCode < 200 || statusCode > 299) return Buffer.alloc(0);
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') throw new FetchError('compressed', String(encoding));
    const contentType = String(headers['content-type'] ?? '');
    if (asked.accept && !asked.accept(contentType)) throw new FetchError('wrong_type', contentType);
    if (Number(headers['content-length']) > asked.maxBytes) throw new FetchError('too_large');

    const pieces = limited(body, asked.maxBytes);
    if (!asked.into) return Buffer.concat(await Array.fromAsync(pieces));
    await pass(pieces, asked.into);
    return Buffer.alloc(0);
  } finally {
    discard(answer);
  }
}

/** How long the rest of an answer is waited for whose status has arrived, which says everything that matters. Milliseconds. */
const REST_MS = 1000;

/** What comes of a body within a moment, and before it breaks off. */
async function firstBytes(body: Dispatcher.ResponseData['body'], most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  const late = setTimeout(() => body.destroy(), REST_MS);
  try {
    for await (const piece of body) {
      pieces.push(piece);
      length += piece.length;
      if (length >= most) break;
    }
  } catch {
    // It was aborted, or the connection was lost.
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(pieces).subarray(0, most);
}

/** The receiver of a body failed, which says nothing about the URL. */
class NotTaken extends Error {}

/** Gives the pieces to `into`. Throws `NotTaken` for an error that is not one of the body. */
async function pass(
  pieces: AsyncIterable<Buffer>,
  into: (pieces: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  let broken: unknown;
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* pieces;
    } catch (error) {
      broken = error;
      throw error;
    }
  }
  try {
    await into(watched());
  } catch (error) {
    throw error === broken ? error : new NotTaken('not taken', { cause: error });
  }
}

async function* limited(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > maxBytes) throw new FetchError('too_large');
    yield piece;
  }
}

/** Discards a response without reading its body, and closes its connection. */
function discard({ body }: Dispatcher.ResponseData): void {
  // Destroying an unfinished body makes it emit an abort error, which is expected here.
  body.on('error', () => undefined).destroy();
}
