import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip as gzipWithCallback } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../time/clock.ts';
import { checkConditions } from './conditions.ts';

const gzip = promisify(gzipWithCallback);

interface Prepared {
  readonly plain: Buffer;
  readonly gzipped: Buffer;
  readonly tag: string;
}

/**
 * Answers with JSON that is the same for every client and seldom changes. It is serialised, tagged and compressed once, and built again
 * after `freshMs` milliseconds.
 */
export function preparedJson(
  build: () => object,
  { clock, freshMs }: { readonly clock: Pick<Clock, 'now'>; readonly freshMs: number },
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  let known: Promise<Prepared> | undefined;
  let builtAt = 0;

  function current(): Promise<Prepared> {
    const age = clock.now() - builtAt;
    // The age is negative if the clock was set back.
    if (known && age >= 0 && age < freshMs) return known;
    builtAt = clock.now();
    known = prepare(build());
    return known;
  }

  return async (request, reply) => {
    const { plain, gzipped, tag } = await current();
    const compressed = takesGzip(request.headers['accept-encoding']?.toString());
    // Two representations need two tags (RFC 9110, section 8.8.3.3).
    const etag = compressed ? `"${tag}-gzip"` : `"${tag}"`;
    reply.headers({ etag, 'cache-control': 'private, no-cache' });
    reply.header('vary', [reply.getHeader('vary'), 'accept-encoding'].flat().filter(Boolean).join(', '));
    if (checkConditions(request.headers, request.method, { etag }) === 'not_modified')
      return reply.code(304).send();
    if (compressed) reply.header('content-encoding', 'gzip');
    return reply.type('application/json; charset=utf-8').send(compressed ? gzipped : plain);
  };
}

async function prepare(value: object): Promise<Prepared> {
  const plain = Buffer.from(JSON.stringify(value));
  return { plain, gzipped: await gzip(plain), tag: hash('sha1', plain, 'hex') };
}

/** Whether `Accept-Encoding` names gzip or `*` with a weight above zero (RFC 9110, section 12.5.3). */
function takesGzip(header = ''): boolean {
  const weights = new Map(
    header
      .toLowerCase()
      .split(',')
      .map((part) => {
        const [name = '', weight] = part.split(/;\s*q\s*=\s*/);
        return [name.trim(), weight === undefined ? 1 : Number(weight)] as const;
      }),
  );
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}
