import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { createFairLimit, type FairLimit } from '../../net/fairLimit.ts';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import type { App } from '../context.ts';
import { createJsonScanner, type JsonScanner, type ScannedJson, stringOf, tooLarge } from './scanner.ts';

const MIB = 2 ** 20;
/** No request of ours is near these: they bound what parsing costs. */
export const PLAIN_BYTES = MIB;
const DEPTH = 32;
const VALUES = 10_000;
/** Bodies above this take a place. Bytes. */
const LARGE_BYTES = MIB;
/** Bytes of large bodies that are in memory at a time, in bodies of the largest size: over all projects, and of one. */
const LARGE_TOTAL = 4;
const LARGE_PER_PROJECT = 2;
/** How long a large body waits for its place. Milliseconds. */
const PLACE_MS = 30_000;
/** How long a body may take before its rate counts, and the least rate then, bytes a millisecond: 128 kbit/s, less than any phone has. */
const TRICKLE_MS = 15_000;
const LEAST_BYTES_PER_MS = 16;
/** A client that sends nothing for so long has gone. Milliseconds. */
const IDLE_MS = 30_000;

interface JsonBodyOptions {
  /** The largest body of any route, bytes. */
  readonly largestBody: number;
  readonly idleMs?: number | undefined;
}

/**
 * Parses JSON bodies strictly, with what to mend where one is refused: bytes that are not UTF-8, prototype tricks, names that are
 * given twice. What a body may cost is bounded while it comes in, and so is what the large ones of a project take at a time.
 */
export function useStrictJson(app: App, { largestBody, idleMs = IDLE_MS }: JsonBodyOptions): void {
  const parse = createParser(app);
  const places = createFairLimit({
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
    const place = () =>
      takePlace(places, request, responses.get(request), Number.isNaN(announced) ? limit : announced);
    if (announced > LARGE_BYTES) await place();
    await readInto(scanner, payload, { idleMs, place: announced > LARGE_BYTES ? undefined : place });

    const nonce = randomUUID();
    const scanned = scanner.end((index) => `${nonce} ${index}`);
    return withMedia(await parse(request, scanned), nonce, scanned.media);
  });
}

/** Waits for room in memory for a large body, which it has until it is answered. */
async function takePlace(
  places: FairLimit,
  request: FastifyRequest,
  response: ServerResponse | undefined,
  bytes: number,
): Promise<void> {
  const late = AbortSignal.timeout(PLACE_MS);
  try {
    const release = await places.acquire(request.apiKey?.projectId ?? request.ip, bytes, late);
    if (!response || response.closed) release();
    else response.once('close', release);
  } catch {
    throw new OnetakeError(
      'rate_limited',
      429,
      'Too many large bodies are on their way at once; send the next one when some are answered, or give images as URLs.',
      { retryAfterSeconds: 5 },
    );
  }
}

interface Reading {
  readonly idleMs: number;
  /** Waits for the place of a body whose length was not announced, once it turns out to be large. */
  readonly place: (() => Promise<void>) | undefined;
}

/**
 * Reads a body to its end. Where it is refused the rest is let through unread, so that the client, which is still sending, can read
 * the answer.
 */
function readInto(scanner: JsonScanner, payload: Readable, { idleMs, place }: Reading): Promise<void> {
  return new Promise((resolve, reject) => {
    let unplaced = place;
    let since = performance.now();
    let idle = setTimeout(late, idleMs);
    function late() {
      const message = `Nothing more of the body came for ${idleMs / 1000} seconds; send the request again.`;
      end(new OnetakeError('request_timeout', 408, message));
    }
    const done = () => end();
    const cut = () => end(invalidRequest('The body ended before it was whole; send the request again.'));
    function end(error?: unknown) {
      clearTimeout(idle);
      payload.off('data', take).off('end', done).off('close', cut).off('error', cut);
      // An error that comes after this is nobody's.
      payload.on('error', () => undefined).resume();
      if (error === undefined) resolve();
      else reject(error);
    }
    async function waitForPlace(placed: () => Promise<void>) {
      unplaced = undefined;
      payload.pause();
      clearTimeout(idle);
      await placed();
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
      if (unplaced && scanner.length > LARGE_BYTES) waitForPlace(unplaced).catch(end);
    }
    payload.on('data', take).once('end', done).once('close', cut).once('error', cut);
  });
}

/** A place in memory is not held by one who sends a byte now and then. Throws a 408. */
export function refuseTrickle(bytes: number, ms: number): void {
  if (ms < TRICKLE_MS || bytes >= ms * LEAST_BYTES_PER_MS) return;
  const message = 'The body comes too slowly; send it at 128 kbit/s at least, or give images as URLs.';
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
      // Many clients name a content type with every call, also where there is nothing to send.
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

/** The parsed value with each marker replaced by the media that it stands for. */
function withMedia(value: unknown, nonce: string, media: readonly Buffer[]): unknown {
  if (media.length === 0) return value;
  if (typeof value === 'string') {
    const place = value.startsWith(nonce) ? Number(value.slice(nonce.length)) : Number.NaN;
    const bytes = media[place];
    if (!bytes) return value;
    const text = stringOf(bytes.toString('latin1'));
    if (text !== undefined) return text;
    const message = 'The body is not valid JSON: an image in it has an escape that JSON does not know.';
    throw invalidRequest(message, undefined, 'invalid_json');
  }
  if (Array.isArray(value)) return value.map((item) => withMedia(item, nonce, media));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withMedia(member, nonce, media)]),
  );
}

/** Where the text stops being JSON; only text that the strict parser refused comes here. */
function mistakeIn(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The body is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  return 'The body has a field named "__proto__" or "constructor"; remove it.';
}
