import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { FaultRule } from './faults.ts';
import { withFlatErrors, withOtherIds, withWords } from './rewrites.ts';

/** The payload that Fastify is about to send. */
export type Payload = string | Buffer | Readable | null | undefined;

/** The pause between two pieces of a slow body. Milliseconds. */
const TRICKLE_MS = 20;
const SLOW_BYTES_PER_SECOND = 64 * 1024;

const POLL_LATER_SECONDS = 5;

/** How long the kernel may take to deliver what was sent, before the reset discards the rest. Milliseconds. */
const HAND_OVER_MS = 20;

/** The payload after a fault; null if there is none. */
export function spoil(rule: FaultRule, reply: FastifyReply, payload: Payload): Payload {
  switch (rule.kind) {
    case 'lost_answer':
      discard(payload);
      reply.raw.socket?.resetAndDestroy();
      return null;
    case 'empty_body':
      discard(payload);
      reply.removeHeader('content-length');
      return '';
    case 'poll_later':
      reply.header('retry-after', String(rule.retryAfter ?? POLL_LATER_SECONDS));
      return payload;
    case 'malformed_json':
      return rewritten(reply, payload, (json) => json.slice(0, Math.ceil(json.length / 2)));
    case 'renamed_ids':
      return rewritten(reply, payload, withOtherIds);
    case 'reworded_errors':
      return rewritten(reply, payload, (json) => withWords(json, rule.words ?? ''));
    case 'flat_errors':
      return rewritten(reply, payload, (json) => withFlatErrors(json, rule.words ?? ''));
    case 'slow_body':
      return announced(reply, payload, trickle(payload, rule.bytesPerSecond ?? SLOW_BYTES_PER_SECOND));
    case 'truncated_body': {
      const length = lengthOf(reply, payload);
      return announced(reply, payload, cutShort(reply, payload, Math.floor(length / 2)));
    }
    default:
      return payload;
  }
}

function discard(payload: Payload): void {
  if (payload instanceof Readable) payload.destroy();
}

function rewritten(reply: FastifyReply, payload: Payload, rewrite: (text: string) => string): Payload {
  if (typeof payload !== 'string') return payload;
  const text = rewrite(payload);
  reply.header('content-length', Buffer.byteLength(text));
  return text;
}

function lengthOf(reply: FastifyReply, payload: Payload): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  if (Buffer.isBuffer(payload)) return payload.length;
  return Number(reply.getHeader('content-length') ?? 0);
}

/** A stream has no length, so the header announces the full length. */
function announced(reply: FastifyReply, payload: Payload, body: AsyncIterable<Buffer>): Readable {
  reply.header('content-length', lengthOf(reply, payload));
  return Readable.from(body, { objectMode: false });
}

async function* chunksOf(payload: Payload): AsyncGenerator<Buffer> {
  if (payload instanceof Readable) for await (const chunk of payload) yield Buffer.from(chunk);
  else if (payload) yield Buffer.from(payload);
}

async function* trickle(payload: Payload, bytesPerSecond: number): AsyncGenerator<Buffer> {
  const piece = Math.max(1, Math.round((bytesPerSecond * TRICKLE_MS) / 1000));
  for await (const chunk of chunksOf(payload)) {
    for (let from = 0; from < chunk.length; from += piece) {
      yield chunk.subarray(from, from + piece);
      await sleep(TRICKLE_MS);
    }
  }
}

async function* cutShort(reply: FastifyReply, payload: Payload, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const chunk of chunksOf(payload)) {
    if (left <= 0) break;
    yield chunk.subarray(0, left);
    left -= chunk.length;
  }
  await sleep(HAND_OVER_MS);
  reply.raw.socket?.resetAndDestroy();
}
