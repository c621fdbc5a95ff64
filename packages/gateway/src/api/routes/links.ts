import { z } from 'zod';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { CONDITIONAL_ANSWERS, gone, serveBytes } from '../http/bytes.ts';
import { readMediaRow } from '../mediaRow.ts';
import { ErrorAnswer } from '../schemas.ts';

/** `GET /media/{file}`: signed links that expire. They need no key, so that players and browsers can use them. */
export function linkRoutes(app: App, context: ApiContext): void {
  const { links, clock } = context;
  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/:file',
    // Services that pass links on add parameters of their own to them.
    config: { scope: 'public', takesAnyQuery: true },
    schema: {
      operationId: 'getMedia',
      summary: 'A signed link',
      description:
        'As answered in `url` and `thumbnail_url`. Supports `Range`, `HEAD` and conditional requests.',
      tags: ['Media'],
      params: z.object({ file: z.string() }),
      querystring: z.object({ expires: z.string().optional(), signature: z.string().optional() }),
      response: {
        200: z.file().describe('The bytes'),
        ...CONDITIONAL_ANSWERS,
        403: ErrorAnswer.describe('The signature is wrong'),
        409: ErrorAnswer.describe('The poster frame is not made yet'),
        410: ErrorAnswer.describe('The link has expired, or the video is deleted'),
        502: ErrorAnswer.describe(
          'The stored bytes are damaged (`media_damaged`) or missing (`media_missing`)',
        ),
      },
    },
    handler: async (request, reply) => {
      const [, id = '', extension = ''] = /^([0-9a-z-]+)\.([0-9a-z]+)$/.exec(request.params.file) ?? [];
      switch (links.verify(id, extension, request.query)) {
        case 'invalid':
          throw new OnetakeError('forbidden', 403, 'This link is not valid; query the task for a new one.');
        case 'expired':
          throw gone('This link has expired; query the task for a new one.');
        case 'ok':
          break;
      }
      const row = await readMediaRow(context, id);
      if (!row || row.state === 'pending' || (row.expiresAt !== undefined && row.expiresAt <= clock.now())) {
        throw gone('The video is no longer stored here.');
      }
      // Pages and scripts of any site may use the video; the signature is the authorisation.
      reply.headers({ 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' });
      const filename = `${row.taskId ?? row.id}.${extension}`;
      return serveBytes(request, reply, context, row, { filename, disposition: 'inline' });
    },
  });
}
