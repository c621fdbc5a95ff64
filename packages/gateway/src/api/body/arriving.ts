import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import { IDLE_MS, refuseTrickle } from './receive.ts';

export interface Arrival {
  /** The most bytes that are taken, and the error for a body that has more. */
  readonly limit: number;
  readonly tooLarge: () => Error;
  readonly idleMs?: number | undefined;
}

/**
 * Gives a body to `take` as it arrives, no faster than it is taken. If the body is refused, the rest is received and discarded, so that
 * a client that is still sending can read the answer.
 */
export async function takeBody<T>(
  payload: IncomingMessage,
  arrival: Arrival,
  take: (pieces: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  try {
    if (Number(payload.headers['content-length'] ?? 0) > arrival.limit) throw arrival.tooLarge();
    return await take(piecesOf(payload, arrival));
  } finally {
    payload.on('error', () => undefined).resume();
  }
}

async function* piecesOf(
  payload: Readable,
  { limit, tooLarge, idleMs = IDLE_MS }: Arrival,
): AsyncGenerator<Buffer> {
  const arriving = payload.iterator({ destroyOnReturn: false });
  let bytes = 0;
  let waitedMs = 0;
  try {
    for (;;) {
      const since = performance.now();
      const next = await soon(arriving.next(), idleMs);
      if (next.done) return;
      const piece: Buffer = next.value;
      // Only the time that the client takes counts.
      waitedMs += performance.now() - since;
      bytes += piece.length;
      if (bytes > limit) throw tooLarge();
      refuseTrickle(bytes, waitedMs);
      yield piece;
    }
  } finally {
    // Not awaited: it does not return while nothing arrives.
    arriving.return?.().catch(() => undefined);
  }
}

/** Throws a 408 if nothing arrives for `ms`, and a 400 if the connection is cut. */
async function soon<T>(arrival: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `No more of the body arrived for ${ms / 1000} seconds; send the request again.`;
    late.reject(new OnetakeError('request_timeout', 408, message));
  }, ms);
  const cut = () => {
    throw invalidRequest('The body ended before it was complete; send the request again.');
  };
  try {
    return await Promise.race([arrival.catch(cut), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
