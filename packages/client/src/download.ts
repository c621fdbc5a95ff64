import { ApiError, ConnectionError, DownloadError, NotFoundError, OnetakeError } from './errors.ts';
import type { Call, Http } from './http.ts';
import { createBackoff, type LinkedSignal } from './timing.ts';
import type { CallOptions, Task } from './types.ts';
import { taskPath } from './wait.ts';

export interface DownloadOptions extends CallOptions {
  /** `thumbnail` is the poster frame, a JPEG. */
  readonly variant?: 'video' | 'thumbnail' | undefined;
  /** Continues a download of which the first `offset` bytes are there. It starts from the beginning if the bytes are others now. */
  readonly resume?: { readonly offset: number; readonly etag: string } | undefined;
}

/** A video on its way. */
export interface Download {
  /** The bytes. If the connection breaks, the rest is fetched; an error if that is impossible. */
  readonly body: ReadableStream<Uint8Array>;
  /** Where `body` begins: 0, or the offset of `resume`. */
  readonly offset: number;
  /** The size of the whole, if the server tells it. */
  readonly bytes: number | undefined;
  /** The SHA-256 of the whole in hex digits, if the server tells it. Nothing has been compared with it. */
  readonly sha256: string | undefined;
  readonly contentType: string | undefined;
  /** For `resume`. Undefined if a download cannot be continued. */
  readonly etag: string | undefined;
}

/** A connection that brings nothing for so long is given up. Milliseconds. */
const STALL_MS = 60_000;
/** For the whole of a download that is JSON. Milliseconds. */
const DECODE_MS = 600_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8000;
/** How often the rest is asked for without one more byte. */
const FRUITLESS_ATTEMPTS = 5;

/** No video and no poster has no bytes. */
const EMPTY =
  'The answer has no bytes. Likely ONETAKE_SENDFILE is set, and this address is that of the gateway, which leaves sending to the reverse proxy in front of it: use the address of the proxy.';

interface Opened {
  readonly response: Response;
  readonly link: LinkedSignal;
}

/** Opens the bytes of a finished task. */
export async function download(http: Http, taskId: string, options: DownloadOptions = {}): Promise<Download> {
  try {
    const source = await findSource(http, taskId, options);
    return 'opened' in source ? streamOf(http, source.call, source.opened, options) : source;
  } catch (error) {
    if (error instanceof OnetakeError) error.taskId ??= taskId;
    throw error;
  }
}

type Source = { readonly call: Call; readonly opened: Opened } | Download;

/** The gateway has the bytes at `…/content`. Another server may only have a link, or JSON with the bytes in base64. */
async function findSource(http: Http, taskId: string, options: DownloadOptions): Promise<Source> {
  const { variant, signal } = options;
  const open = async (call: Call) => {
    const whole = { ...call, headers: { accept: 'video/mp4, image/*;q=0.9' }, repeatable: true, signal };
    const range = rangeOf(options.resume);
    return { call: whole, opened: await http.open({ ...whole, headers: { ...whole.headers, ...range } }) };
  };
  try {
    const found = await open({ path: `${taskPath(taskId)}/content`, query: { variant } });
    if (/^(?:video|image)\//.test(typeOf(found.opened.response) ?? '')) return found;
    close(found.opened);
  } catch (error) {
    if (!(error instanceof NotFoundError) && !(error instanceof ApiError && error.status === 405))
      throw error;
  }
  // If there is no such task, this says so.
  const { body: task } = await http.json<Task>({ path: taskPath(taskId), repeatable: true, signal });
  if (variant === 'thumbnail') throw new DownloadError('The server has no poster frame of this video.');
  if (task.url !== undefined) return open({ path: task.url });
  const found = await open({ path: '/v1/video/generations/download', query: { id: taskId } });
  return typeOf(found.opened.response) === 'application/json' ? decode(found.opened) : found;
}

/** A download that is JSON: not a stream, and nothing to continue. */
async function decode({ response, link }: Opened): Promise<Download> {
  // It arrives as a whole or not at all.
  link.abortAfter(DECODE_MS, () => new ConnectionError(`No video within ${DECODE_MS / 1000} s.`));
  try {
    const { base64, size } = (await response.json()) as { base64?: string; size?: number };
    if (typeof base64 !== 'string') throw new DownloadError('The answer of the download has no video.');
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    if (size !== undefined && size !== bytes.length)
      throw new DownloadError(`The video has ${bytes.length} bytes instead of ${size}.`);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
    return {
      body,
      offset: 0,
      bytes: bytes.length,
      sha256: undefined,
      contentType: 'video/mp4',
      etag: undefined,
    };
  } finally {
    link.release();
  }
}

function streamOf(http: Http, call: Call, first: Opened, { signal, resume }: DownloadOptions): Download {
  const { headers } = first.response;
  const offset = startOf(first.response);
  if (offset !== 0 && offset !== resume?.offset) {
    close(first);
    throw new DownloadError('The answer begins somewhere else than asked for.');
  }
  const bytes = sizeOf(first.response);
  if (bytes === 0) {
    close(first);
    throw new DownloadError(EMPTY);
  }
  const etag = strong(headers.get('etag'));
  const backoff = createBackoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, http.timing.random);
  let received = offset;
  let fruitless = 0;
  let current: Opened | undefined = first;
  let reader = readerOf(first);

  /** The next piece; undefined at the end. */
  async function next(): Promise<Uint8Array | undefined> {
    for (;;) {
      try {
        const piece = await read();
        if (!piece && received === 0 && bytes === undefined) throw new DownloadError(EMPTY);
        if (piece || bytes === undefined || received === bytes) return piece;
        throw new ConnectionError(`The connection ended after ${received} of ${bytes} bytes.`);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (error instanceof ApiError || error instanceof DownloadError) throw error;
        await reopen(error);
      }
    }
  }

  async function read(): Promise<Uint8Array | undefined> {
    if (!current) throw new ConnectionError('The connection broke.');
    current.link.abortAfter(STALL_MS, () => new ConnectionError(`No byte within ${STALL_MS / 1000} s.`));
    const { done, value } = await reader.read();
    current.link.holdOff();
    if (done) return undefined;
    received += value.length;
    fruitless = 0;
    backoff.reset();
    if (bytes !== undefined && received > bytes)
      throw new DownloadError(`There are more than ${bytes} bytes.`);
    return value;
  }

  /** Asks for the rest, and throws `trouble` if that is impossible or was tried often enough. */
  async function reopen(trouble: unknown): Promise<void> {
    if (current) close(current);
    current = undefined;
    fruitless += 1;
    if (etag === undefined || fruitless > FRUITLESS_ATTEMPTS) {
      if (trouble instanceof OnetakeError) throw trouble;
      throw new ConnectionError(`The connection broke after ${received} bytes.`, { cause: trouble });
    }
    await http.timing.sleep(backoff.next(), signal);
    const range = rangeOf({ offset: received, etag });
    const opened = await http.open({ ...call, headers: { ...call.headers, ...range } });
    if (startOf(opened.response) !== received || sizeOf(opened.response) !== bytes) {
      close(opened);
      throw new DownloadError(
        'The video is another one than at the begin of the download, or cannot be continued.',
      );
    }
    current = opened;
    reader = readerOf(opened);
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await next();
          if (piece) return controller.enqueue(piece);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        if (current) close(current);
      },
      cancel() {
        if (current) close(current);
      },
    },
    { highWaterMark: 0 },
  );
  return { body, offset, bytes, etag, sha256: sha256Of(call, headers), contentType: typeOf(first.response) };
}

function close({ link }: Opened): void {
  link.abort(undefined);
  link.release();
}

const readerOf = ({ response }: Opened) =>
  (
    response.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() })
  ).getReader();

const rangeOf = (resume: DownloadOptions['resume']): Readonly<Record<string, string>> =>
  resume ? { range: `bytes=${resume.offset}-`, 'if-range': resume.etag } : {};

const typeOf = ({ headers }: Response): string | undefined =>
  headers.get('content-type')?.split(';')[0]?.trim();

/** `If-Range` takes no weak ones. */
const strong = (etag: string | null): string | undefined => (etag?.startsWith('"') ? etag : undefined);

/** The first byte of the answer. */
const startOf = ({ status, headers }: Response): number =>
  status === 206 ? Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1]) : 0;

/** The size of the whole. A length that was encoded on the way says nothing about the bytes. */
function sizeOf({ status, headers }: Response): number | undefined {
  const encoding = headers.get('content-encoding') ?? 'identity';
  const length =
    status === 206 ? /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] : headers.get('content-length');
  return !length || encoding !== 'identity' ? undefined : Number(length);
}

/** `Repr-Digest` (RFC 9530), or at `…/content` the gateway's `ETag`, which is the digest. */
function sha256Of({ path }: Call, headers: Headers): string | undefined {
  const digest = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(headers.get('repr-digest') ?? '')?.[1];
  if (digest !== undefined)
    return Array.from(atob(digest), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  return path.endsWith('/content') ? /^"([0-9a-f]{64})"$/.exec(headers.get('etag') ?? '')?.[1] : undefined;
}
