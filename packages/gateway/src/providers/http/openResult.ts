import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../../time/clock.ts';
import { NotResumable, type OpenedResult, UpstreamError } from '../provider.ts';
import { readBounded } from './boundedBody.ts';
import { lostCall } from './lostCall.ts';
import { retryAfterMs } from './retryAfter.ts';
import { excerpt, type Scrub } from './secrets.ts';

interface Opening {
  readonly dispatcher: Dispatcher;
  /** Credentials: sent to the origin of the URL, never to where it redirects. */
  readonly headers: Readonly<Record<string, string>>;
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly scrub: Scrub;
  readonly clock: Clock;
}

const MAX_REDIRECTS = 5;
/** Bytes of an error page, at most. */
const MAX_WORDS = 65_536;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Statuses of storage services for a link that has expired or bytes that were deleted. */
const GONE: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/** Opens the bytes behind a URL from `offset` on. Throws `UpstreamError`: `result_lost` where they are not there any more. */
export async function openResult(url: string, opening: Opening): Promise<OpenedResult> {
  const { offset, scrub } = opening;
  const answer = await follow(new URL(url), opening);
  const { statusCode: status, headers, body } = answer;
  // A body that breaks off before anybody reads it, or is not wanted, must not end the process.
  body.on('error', () => undefined);
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
  throw new UpstreamError(
    GONE.has(status) ? 'result_lost' : status === 429 ? 'rate_limited' : 'upstream_unavailable',
    {
      detail: `${status} when fetching the result: ${words}`,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    },
  );
}

/** What a storage service says of its refusal; nothing where it says too much, or breaks off. */
async function wordsOf(body: Readable): Promise<string> {
  try {
    return (await readBounded(body, MAX_WORDS)).toString('utf8');
  } catch {
    return '';
  }
}

async function follow(first: URL, { dispatcher, headers, offset, signal, scrub }: Opening) {
  let url = first;
  for (let hops = 0; ; hops++) {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(url, {
        dispatcher,
        signal,
        headers: {
          ...(url.origin === first.origin ? headers : {}),
          ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
        },
      });
    } catch (error) {
      throw lostCall(error, scrub);
    }
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.statusCode) || typeof location !== 'string') return answer;
    await answer.body.dump();
    if (hops === MAX_REDIRECTS) {
      throw new UpstreamError('upstream_unavailable', { detail: 'the result redirects too often' });
    }
    url = new URL(location, url);
  }
}

/** `bytes 5-9/10`, or that of a 416, which has a star for the range; nothing where it says neither. */
function contentRange(header: string | string[] | undefined): { from?: number; total?: number } {
  const [, from, total] = /^bytes (?:(\d+)-\d+|\*)\/(?:(\d+)|\*)$/.exec(String(header ?? '')) ?? [];
  return {
    ...(from === undefined ? {} : { from: Number(from) }),
    ...(total === undefined ? {} : { total: Number(total) }),
  };
}

/** What tells these bytes from others behind the same link. A weak tag says less than the time. */
function versionOf(headers: Dispatcher.ResponseData['headers']): string | undefined {
  const { etag, 'last-modified': modified } = headers;
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  return typeof modified === 'string' ? modified : undefined;
}
