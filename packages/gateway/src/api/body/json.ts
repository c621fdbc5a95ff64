import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { createFairLimit, type FairLimit } from '../../net/fairLimit.ts';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import type { App } from '../context.ts';
import { createJsonScanner, type JsonScanner, type ScannedJson, stringOf, tooLarge } from './scanner.ts';

const MIB = 2 ** 20;
/** Limits on the cost of parsing, far above any valid request. */
export const PLAIN_BYTES = MIB;
const DEPTH = 32;
const VALUES = 10_000;
/** Larger bodies need a slot. Bytes. */
const LARGE_BYTES = MIB;
/** Memory for large bodies, in bodies of the largest size: for all projects together, and for a single one. */
const LARGE_TOTAL = 4;
const LARGE_PER_PROJECT = 2;
/** How long a large body waits for a slot. Milliseconds. */
const SLOT_MS = 30_000;
/** The minimum rate is enforced after this time. Milliseconds. */
const TRICKLE_MS = 15_000;
/** Minimum rate of a body: 128 kbit/s, slower than any mobile network. */
const LEAST_BYTES_PER_MS = 16;
/** A client that sends nothing for this long has gone. Milliseconds. */
const IDLE_MS = 30_000;

interface JsonBodyOptions {
  /** The largest body that any route accepts, bytes. */
  readonly largestBody: number;
  readonly idleMs?: number | undefined;
}

/**
 * Parses JSON bodies strictly: it refuses invalid UTF-8, prototype pollution and duplicate names, and says what to fix. The cost
 * of a body is limited while it is received, and so is the memory for the large bodies of a project.
 */
export function useStrictJson(app: App, { largestBody, idleMs = IDLE_MS }: JsonBodyOptions): void {
  const parse = createParser(app);
  const slots = createFairLimit({
    total: LARGE_TOTAL * largestBody,
    perTenant: LARGE_PER_PROJECT * largestBody,
  });
  const responses = new WeakMap<FastifyRequest, ServerResponse>();
  app.addHook('preParsing', (request, reply, payload, done) => {
    responses.set(request, reply.raw);
    done(null, payload);
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const limit = request.routeOptions.bodyLimit ?? largestBody;
    const announced = Number(request.headers['content-length'] ?? Number.NaN);
    if (announced > limit) {
      payload.resume();
      throw tooLarge(limit);
    }
    const limits = { bytes: limit, plainBytes: PLAIN_BYTES, depth: DEPTH, values: VALUES };
    const scanner = createJsonScanner(limits, Number.isNaN(announced) ? undefined : announced);
    const takeSlot = () =>
      acquireSlot(slots, request, responses.get(request), Number.isNaN(announced) ? limit : announced);
    if (announced > LARGE_BYTES) await takeSlot();
    await readInto(scanner, payload, { idleMs, takeSlot: announced > LARGE_BYTES ? undefined : takeSlot });

    const nonce = randomUUID();
    const scanned = scanner.end((index) => `${nonce} ${index}`);
    return withMedia(await parse(request, scanned), nonce, scanned.media);
  });
}

/** Waits for memory for a large body, which is released when the request is answered. */
async function acquireSlot(
  slots: FairLimit,
  request: FastifyRequest,
  response: ServerResponse | undefined,
  bytes: number,
): Promise<void> {
  const late = AbortSignal.timeout(SLOT_MS);
  try {
    const release = await slots.acquire(request.apiKey?.projectId ?? request.ip, bytes, late);
    if (!response || response.closed) release();
    else response.once('close', release);
  } catch {
    throw new OnetakeError(
      'rate_limited',
      429,
      'Too many large bodies at once; send the next one after some of them are answered, or give images as URLs.',
      { retryAfterSeconds: 5 },
    );
  }
}

interface Reading {
  readonly idleMs: number;
  /** Waits for a slot, once a body of unannounced length turns out to be large. */
  readonly takeSlot: (() => Promise<void>) | undefined;
}

/**
 * Reads a body to its end. If the body is refused, the rest is received and discarded, so that a client that is still sending can
 * read the answer.
 */
function readInto(scanner: JsonScanner, payload: Readable, { idleMs, takeSlot }: Reading): Promise<void> {
  return new Promise((resolve, reject) => {
    let pendingSlot = takeSlot;
    let since = performance.now();
    let idle = setTimeout(late, idleMs);
    function late() {
      const message = `No more of the body arrived for ${idleMs / 1000} seconds; send the request again.`;
      end(new OnetakeError('request_timeout', 408, message));
    }
    const done = () => end();
    const cut = () => end(invalidRequest('The body ended before it was complete; send the request again.'));
    function end(error?: unknown) {
      clearTimeout(idle);
      payload.off('data', take).off('end', done).off('close', cut).off('error', cut);
      // Later errors are ignored; an unhandled one would end the process.
      payload.on('error', () => undefined).resume();
      if (error === undefined) resolve();
      else reject(error);
    }
    async function waitForSlot(granted: () => Promise<void>) {
      pendingSlot = undefined;
      payload.pause();
      clearTimeout(idle);
      await granted();
      since = performance.now();
      idle = setTimeout(late, idleMs);
      payload.resume();
    }
    function take(chunk: Buffer) {
      idle.refresh();
      try {
        scanner.write(chunk);
        refuseTrickle(scanner.length, performance.now() - since);
      } catch (error) {
        end(error);
        return;
      }
      if (pendingSlot && scanner.length > LARGE_BYTES) waitForSlot(pendingSlot).catch(end);
    }
    payload.on('data', take).once('end', done).once('close', cut).once('error', cut);
  });
}

/** Throws a 408 for a body that arrives too slowly, so that it does not occupy memory for long. */
export function refuseTrickle(bytes: number, ms: number): void {
  if (ms < TRICKLE_MS || bytes >= ms * LEAST_BYTES_PER_MS) return;
  const message = 'The body arrives too slowly; send it at 128 kbit/s at least, or give images as URLs.';
  throw new OnetakeError('request_timeout', 408, message);
}

type Parse = (request: FastifyRequest, scanned: ScannedJson) => Promise<unknown>;

function createParser(app: App): Parse {
  const parse = app.getDefaultJsonParser('error', 'error');
  const decoder = new TextDecoder('utf-8', { fatal: true });

  return async (request, { text: bytes }) => {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw invalidRequest(
        'The body is not valid UTF-8; encode the JSON as UTF-8.',
        undefined,
        'invalid_json',
      );
    }
    if (text.trim() === '') {
      // Many clients send a content type with every call, even without a body.
      if (request.routeOptions.schema?.body === undefined) return undefined;
      throw invalidRequest('The body is empty; send a JSON object.', undefined, 'invalid_json');
    }
    return new Promise((resolve, reject) => {
      parse(request, text, (error, value) => {
        if (error) reject(invalidRequest(mistakeIn(text), undefined, 'invalid_json'));
        else resolve(value);
      });
    });
  };
}

/** Replaces each marker in a parsed value by its media. */
function withMedia(value: unknown, nonce: string, media: readonly Buffer[]): unknown {
  if (media.length === 0) return value;
  if (typeof value === 'string') {
    const place = value.startsWith(nonce) ? Number(value.slice(nonce.length)) : Number.NaN;
    const bytes = media[place];
    if (!bytes) return value;
    const text = stringOf(bytes.toString('latin1'));
    if (text !== undefined) return text;
    const message = 'The body is not valid JSON: an image in it has an invalid escape sequence.';
    throw invalidRequest(message, undefined, 'invalid_json');
  }
  if (Array.isArray(value)) return value.map((item) => withMedia(item, nonce, media));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withMedia(member, nonce, media)]),
  );
}

/** Describes why the strict parser refused the text. */
function mistakeIn(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The body is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  return 'The body has a field named "__proto__" or "constructor"; remove it.';
}
