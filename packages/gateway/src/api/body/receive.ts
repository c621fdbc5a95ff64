import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { createFairLimit, type FairLimit } from '../../net/fairLimit.ts';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import type { App } from '../context.ts';
import { tooLarge } from './scanner.ts';

/** Takes a body in as it arrives. `write` throws what is wrong with it. */
export interface BodySink {
  write(chunk: Buffer): void;
  /** Number of bytes received so far. */
  readonly length: number;
}

/** What is known of a body before it arrives. */
export interface BodyFacts {
  /** The most bytes that the route accepts. */
  readonly limit: number;
  /** Its `Content-Length`, if it has one. */
  readonly announced: number | undefined;
}

/** Receives a body of whatever type into the sink that `open` makes. */
export type ReceiveBody = <Sink extends BodySink>(
  request: FastifyRequest,
  payload: Readable,
  open: (facts: BodyFacts) => Sink,
) => Promise<Sink>;

export interface ReceiveOptions {
  /** The largest body that any route accepts, bytes. */
  readonly largestBody: number;
  readonly idleMs?: number | undefined;
}

/** Larger bodies need a slot. Bytes. */
const LARGE_BYTES = 2 ** 20;
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
export const IDLE_MS = 30_000;

/** Limits the cost of bodies while they are received, and the memory for the large bodies of a project. */
export function createReceiver(app: App, { largestBody, idleMs = IDLE_MS }: ReceiveOptions): ReceiveBody {
  const slots = createFairLimit({
    total: LARGE_TOTAL * largestBody,
    perTenant: LARGE_PER_PROJECT * largestBody,
  });
  const responses = new WeakMap<FastifyRequest, ServerResponse>();
  app.addHook('preParsing', (request, reply, payload, done) => {
    responses.set(request, reply.raw);
    done(null, payload);
  });

  return async (request, payload, open) => {
    const limit = request.routeOptions.bodyLimit ?? largestBody;
    const length = request.headers['content-length'];
    const announced = length === undefined ? undefined : Number(length);
    if (announced !== undefined && announced > limit) {
      payload.resume();
      throw tooLarge(limit);
    }
    const sink = open({ limit, announced });
    const takeSlot = () => acquireSlot(slots, request, responses.get(request), announced ?? limit);
    const isLarge = announced !== undefined && announced > LARGE_BYTES;
    if (isLarge) await takeSlot();
    await readInto(sink, payload, { idleMs, takeSlot: isLarge ? undefined : takeSlot });
    return sink;
  };
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
function readInto(sink: BodySink, payload: Readable, { idleMs, takeSlot }: Reading): Promise<void> {
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
        sink.write(chunk);
        refuseTrickle(sink.length, performance.now() - since);
      } catch (error) {
        end(error);
        return;
      }
      if (pendingSlot && sink.length > LARGE_BYTES) waitForSlot(pendingSlot).catch(end);
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
