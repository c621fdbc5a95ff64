import type { FastifyReply, FastifyRequest } from 'fastify';
import fresh from 'fresh';
import { parse as parseRange } from 'range-parser';
import type { VerifiedMedia } from '../media/verified.ts';
import type { MediaRow } from '../store/store.ts';
import { OnetakeError } from '../tasks/errors.ts';

export interface ServeOptions {
  /** Shown by browsers that save the file. */
  readonly filename: string;
  readonly disposition: 'inline' | 'attachment';
}

/**
 * Answers with a media object's bytes: conditional requests, one byte range (RFC 9110, sections 13 and 14), HEAD.
 * Constant memory. Throws a 502 where the bytes are not those that were stored.
 */
export async function serveBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  media: VerifiedMedia<MediaRow>,
  row: MediaRow,
  { filename, disposition }: ServeOptions,
): Promise<FastifyReply> {
  const stat = await media.stat(row);
  const etag = `"${row.sha256 ?? `${row.id}-${stat.bytes}`}"`;
  const lastModified = new Date(stat.modifiedAt).toUTCString();
  const { 'if-none-match': noneMatch, 'if-modified-since': since } = request.headers;
  // Without Cache-Control: `fetch` adds "no-cache" to every conditional request, which is meant for caches on the way.
  const asked = { 'if-none-match': noneMatch, 'if-modified-since': since };
  if (fresh(asked, { etag, 'last-modified': lastModified })) {
    return reply
      .code(304)
      .headers({ etag, 'last-modified': lastModified, 'cache-control': CACHE_CONTROL })
      .send();
  }
  const range = chosenRange(request, etag, lastModified, stat.bytes);
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${stat.bytes}`);
    throw new OnetakeError(
      'range_not_satisfiable',
      416,
      `The video has ${stat.bytes} bytes; ask for a range within them.`,
    );
  }

  reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': CACHE_CONTROL,
    'content-disposition': `${disposition}; filename="${filename}"`,
    'content-type': row.contentType,
    'last-modified': lastModified,
    'x-content-type-options': 'nosniff',
    etag,
  });
  const { start, end } = range ?? { start: 0, end: stat.bytes - 1 };
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${stat.bytes}`);
  reply.header('content-length', end - start + 1);
  if (request.method === 'HEAD') return reply.send();
  return reply.send(await media.read(row, { start, end }));
}

/** The one range to answer with; undefined for all of it, also where several are asked for. */
function chosenRange(
  request: FastifyRequest,
  etag: string,
  lastModified: string,
  bytes: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (!range) return undefined;
  // The client's part is of another version: it must have all of this one.
  if (ifRange !== undefined && ifRange !== etag && ifRange !== lastModified) return undefined;
  const { code, type, ranges } = parseRange(bytes, range);
  if (code === UNSATISFIABLE) return 'unsatisfiable';
  // Malformed, of another unit, or several: RFC 9110 lets a server ignore the header and answer with everything.
  return type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
}

/** Bytes never change under their address; an hour, because they are deleted one day. */
const CACHE_CONTROL = 'private, max-age=3600, immutable';

/** range-parser's result code for a range outside the bytes; malformed ones come with no ranges. */
const UNSATISFIABLE = 2;

/** 410: it was here, and is deleted. */
export const gone = (message: string): OnetakeError => new OnetakeError('expired', 410, message);
