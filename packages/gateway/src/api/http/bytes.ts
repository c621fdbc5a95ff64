import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { piecesOf } from '../../media/pieces.ts';
import { keptInErrors, type Sendfile, sendfileEtag, sendfileValue } from '../../media/sendfile.ts';
import type { VerifiedMedia } from '../../media/verified.ts';
import type { MediaRow } from '../../store/store.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { ErrorAnswer } from '../schemas.ts';
import { startBody } from './blockBody.ts';
import { checkConditions, chosenRange } from './conditions.ts';

/** Answers to conditional and range requests, for the OpenAPI document. */
export const CONDITIONAL_ANSWERS = {
  206: z.file().describe('The requested range'),
  304: z.null().describe('Not modified'),
  412: ErrorAnswer.describe('It no longer matches `If-Match` or `If-Unmodified-Since`'),
  416: ErrorAnswer.describe('The range lies outside the bytes'),
} as const;

export interface ServeOptions {
  /** The name that browsers suggest for saving. */
  readonly filename: string;
  readonly disposition: 'inline' | 'attachment';
}

interface ServeParts {
  readonly media: VerifiedMedia<MediaRow>;
  readonly settings: {
    /** Tells the proxy in front of the gateway to send stored files itself. */
    readonly sendfile?: Sendfile | undefined;
    /** The folder of stored files. */
    readonly mediaRoot: string;
  };
}

/**
 * Answers with the bytes of a media object, in constant memory. Supports conditional requests, a single byte range (RFC 9110,
 * sections 13 and 14) and HEAD. Throws a 502 if the bytes are not those that were stored.
 */
export async function serveBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  { media, settings: { sendfile, mediaRoot } }: ServeParts,
  row: MediaRow,
  { filename, disposition }: ServeOptions,
): Promise<FastifyReply> {
  const stat = await (sendfile ? media.passOn(row) : media.stat(row));
  const { method, headers } = request;

  const etag = (sendfile && sendfileEtag(sendfile, stat)) ?? `"${row.sha256 ?? `${row.id}-${stat.bytes}`}"`;
  const current = { etag, modifiedAt: stat.modifiedAt };
  const verdict = checkConditions(headers, method, current);
  const range = verdict === 'proceed' ? chosenRange(headers, method, stat.bytes, current) : undefined;
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${stat.bytes}`);
    throw new OnetakeError(
      'range_not_satisfiable',
      416,
      `The video has ${stat.bytes} bytes; request a range within them.`,
    );
  }
  const lastModified = new Date(stat.modifiedAt).toUTCString();
  const { start, end } = range ?? { start: 0, end: stat.bytes - 1 };
  // Before any header is set: damage that is found at once is answered as an error.
  const body =
    verdict === 'proceed' && method !== 'HEAD' && !sendfile
      ? await startBody(piecesOf(await media.read(row, { start, end })))
      : undefined;
  reply.headers({ etag, 'last-modified': lastModified, 'cache-control': CACHE_CONTROL });
  if (verdict === 'not_modified') return reply.code(304).send();

  reply.headers({
    'accept-ranges': 'bytes',
    'content-disposition': `${disposition}; filename="${filename}"`,
    'content-type': row.contentType,
    'x-content-type-options': 'nosniff',
    // RFC 9530: of the whole, also if a range is sent.
    ...(row.sha256
      ? { 'repr-digest': `sha-256=:${Buffer.from(row.sha256, 'hex').toString('base64')}:` }
      : {}),
  });
  // The proxy also does what a range asks for.
  if (sendfile && method !== 'HEAD') {
    // A proxy that cannot read the file would tell clients to keep its error.
    if (keptInErrors(sendfile)) reply.removeHeader('cache-control');
    reply.header(sendfile.header, sendfileValue(sendfile, mediaRoot, row.storageKey));
    return reply.header('content-length', 0).send();
  }
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${stat.bytes}`);
  reply.header('content-length', end - start + 1);
  return reply.send(body);
}

/** The bytes behind a URL never change. Limited to an hour, because they are deleted eventually. */
export const CACHE_CONTROL = 'private, max-age=3600, immutable';

/** A 410 for something that existed and was deleted. */
export const gone = (message: string): OnetakeError => new OnetakeError('expired', 410, message);
