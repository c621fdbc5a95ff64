import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Sends bytes: all of them, or with 206 or 416 the one requested range (RFC 9110, section 14). */
export function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: Buffer,
  options: { readonly contentType: string; readonly ranges: boolean },
): FastifyReply {
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  reply.header('content-type', options.contentType).header('etag', etag);
  if (!options.ranges) return reply.send(bytes);
  reply.header('accept-ranges', 'bytes');
  const { range } = request.headers;
  const guard = request.headers['if-range'];
  if (range === undefined || (guard !== undefined && guard !== etag)) return reply.send(bytes);
  const span = parseRange(range, bytes.length);
  if (span === 'ignored') return reply.send(bytes);
  if (span === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${bytes.length}`).send();
  }
  return reply
    .code(206)
    .header('content-range', `bytes ${span.from}-${span.to}/${bytes.length}`)
    .send(bytes.subarray(span.from, span.to + 1));
}

/** A server may ignore several ranges and other units. */
function parseRange(
  header: string,
  length: number,
): { from: number; to: number } | 'ignored' | 'unsatisfiable' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match || (match[1] === '' && match[2] === '')) return 'ignored';
  if (match[1] === '') {
    const last = Number(match[2]);
    return last === 0 ? 'unsatisfiable' : { from: Math.max(0, length - last), to: length - 1 };
  }
  const from = Number(match[1]);
  const to = match[2] === '' ? length - 1 : Math.min(Number(match[2]), length - 1);
  if (match[2] !== '' && Number(match[2]) < from) return 'ignored';
  return from >= length ? 'unsatisfiable' : { from, to };
}
