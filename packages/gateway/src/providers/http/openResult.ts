import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import { unreadStream } from '../../net/unreadStream.ts';
import type { Reason } from '../../tasks/reasons.ts';
import type { Clock } from '../../time/clock.ts';
import { NotResumable, type OpenedResult, UpstreamError } from '../provider.ts';
import { readBounded } from './boundedBody.ts';
import { lostCall } from './lostCall.ts';
import { retryAfterMs } from './retryAfter.ts';
import { excerpt, type Scrub } from './secrets.ts';

interface Opening {
  readonly dispatcher: Dispatcher;
  /** Credentials. Sent to the origin of the URL, but never to another origin that it redirects to. */
  readonly headers: Readonly<Record<string, string>>;
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly scrub: Scrub;
  readonly clock: Clock;
  /** Whether the bytes may come from this address. Default: from any. */
  readonly allowed?: ((url: URL) => boolean) | undefined;
}

const MAX_REDIRECTS = 5;
/** The most bytes of an error page. */
const MAX_WORDS = 65_536;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Statuses that storage services answer with for an expired link or deleted bytes. A 401 to our credentials is about these alone. */
const GONE: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/**
 * Opens the bytes behind a URL from `offset` on. Throws `UpstreamError`, with `result_lost` if the bytes no longer exist, and `auth_failed` if
 * the credentials are not valid.
 */
export async function openResult(url: string, opening: Opening): Promise<OpenedResult> {
  const { offset, scrub } = opening;
  const { answer, authorised } = await follow(new URL(url), opening);
  const { statusCode: status, headers, body } = answer;
  unreadStream(body);
  if (status === 200 || status === 206) {
    const range = status === 206 ? contentRange(headers['content-range']) : { from: 0 };
    if (range.from === undefined) {
      body.destroy();
      throw new NotResumable();
    }
    const length = Number(headers['content-length'] ?? Number.NaN);
    const bytes = range.total ?? (Number.isFinite(length) ? range.from + length : undefined);
    const version = versionOf(headers);
    return {
      stream: body,
      offset: range.from,
      ...(bytes === undefined ? {} : { bytes }),
      ...(version === undefined ? {} : { version }),
      free: freePiece,
    };
  }
  if (status === 416 && offset > 0) {
    await body.dump();
    const { total } = contentRange(headers['content-range']);
    if (total !== offset) throw new NotResumable(total);
    return { stream: Readable.from([]), offset, bytes: total };
  }
  const words = excerpt(await wordsOf(body), scrub);
  const wait = retryAfterMs(headers, opening.clock.now());
  throw new UpstreamError(reasonOf(status, authorised), {
    detail: `${status} when fetching the result: ${words}`,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

function reasonOf(status: number, authorised: boolean): Reason {
  if (status === 401 && authorised) return 'auth_failed';
  if (GONE.has(status)) return 'result_lost';
  return status === 429 ? 'rate_limited' : 'upstream_unavailable';
}

/** A piece that is a part of a larger read shares its memory with the other parts, which may not have been read yet. */
function freePiece({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength === byteLength)
    buffer.transfer(0);
}

/** Opens bytes that are here already from `offset` on. */
export const openBytes = (bytes: Buffer, offset: number): OpenedResult => ({
  // A byte stream, not a stream of one object. An empty chunk would not end it.
  stream: Readable.from(offset < bytes.length ? [bytes.subarray(offset)] : [], { objectMode: false }),
  bytes: bytes.length,
  offset,
});

/** The message of a refusal; empty if it is too long or breaks off. */
async function wordsOf(body: Readable): Promise<string> {
  try {
    return (await readBounded(body, MAX_WORDS)).toString('utf8');
  } catch {
    return '';
  }
}

async function follow(first: URL, { dispatcher, headers, offset, signal, scrub, allowed }: Opening) {
  let url = first;
  for (let hops = 0; ; hops++) {
    if (allowed && !allowed(url))
      throw new UpstreamError('upstream_unavailable', {
        detail: `the result is at ${url.host}, which is not one of the hosts of results`,
      });
    const isFirst = url.origin === first.origin;
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(url, {
        dispatcher,
        signal,
        headers: {
          ...(isFirst ? headers : {}),
          ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
        },
      });
    } catch (error) {
      throw lostCall(error, scrub);
    }
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.statusCode) || typeof location !== 'string')
      return { answer, authorised: isFirst && Object.keys(headers).length > 0 };
    await answer.body.dump();
    if (hops === MAX_REDIRECTS) {
      throw new UpstreamError('upstream_unavailable', { detail: 'the result redirects too often' });
    }
    url = targetOf(location, url, scrub);
  }
}

function targetOf(location: string, from: URL, scrub: Scrub): URL {
  if (URL.canParse(location, from.href)) return new URL(location, from);
  throw new UpstreamError('upstream_unavailable', {
    detail: `the result redirects to something that is no address: ${excerpt(location, scrub)}`,
  });
}

/** Reads `bytes 5-9/10`. The header of a 416 has a star for the range. Empty if the header has another form. */
function contentRange(header: string | string[] | undefined): { from?: number; total?: number } {
  const [, from, total] = /^bytes (?:(\d+)-\d+|\*)\/(?:(\d+)|\*)$/.exec(String(header ?? '')) ?? [];
  return {
    ...(from === undefined ? {} : { from: Number(from) }),
    ...(total === undefined ? {} : { total: Number(total) }),
  };
}

/** Identifies these bytes among others behind the same link. A weak ETag says less than the modification time. */
function versionOf(headers: Dispatcher.ResponseData['headers']): string | undefined {
  const { etag, 'last-modified': modified } = headers;
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  return typeof modified === 'string' ? modified : undefined;
}
