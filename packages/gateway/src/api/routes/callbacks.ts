import { z } from 'zod';
import { TooManyCallbacks } from '../../providers/provider.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { ErrorAnswer } from '../schemas.ts';

/** A callback is about a single task; the largest contain its complete state. Bytes. */
const BODY_LIMIT = 1_048_576;

/**
 * `POST /callbacks/{account}`: providers notify the gateway here that a task may have changed. A callback is only a hint: if its
 * signature is valid, the gateway polls the provider.
 */
export function callbackRoutes(app: App, { accounts, engine }: ApiContext): void {
  app.register(async (scope) => {
    // Signatures cover the raw bytes.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    (scope as App).post(
      '/callbacks/:account',
      {
        bodyLimit: BODY_LIMIT,
        config: { scope: 'public', takesAnyQuery: true },
        schema: {
          operationId: 'receiveCallback',
          summary: 'Callbacks of providers',
          description: 'For providers that call back when a task changes; see docs/callbacks.md.',
          tags: ['Operations'],
          params: z.object({ account: z.string() }),
          response: {
            204: z.null().describe('Accepted'),
            401: ErrorAnswer.describe('The signature is wrong'),
            404: ErrorAnswer.describe('No such account, or its provider does not call back'),
            503: ErrorAnswer.describe('Too many callbacks at once; send it again'),
          },
        },
      },
      async (request, reply) => {
        const account = accounts.find(({ id }) => id === request.params.account);
        if (!account?.provider.verifyCallback) {
          throw new OnetakeError('not_found', 404, 'No account of this name accepts callbacks.');
        }
        const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const query = z.record(z.string(), z.unknown()).catch({}).parse(request.query);
        let upstreamIds: readonly string[];
        try {
          upstreamIds = await account.provider.verifyCallback({ headers: request.headers, rawBody, query });
        } catch (cause) {
          if (cause instanceof TooManyCallbacks) {
            const message = 'Too many callbacks have come at once; send this one again.';
            throw new OnetakeError('busy', 503, message, { retryAfterSeconds: 5 }, cause);
          }
          const message =
            'The signature of the callback is wrong; check the secret that its provider signs with.';
          throw new OnetakeError('unauthorized', 401, message, {}, cause);
        }
        for (const upstreamId of upstreamIds) engine.hint(account.id, upstreamId);
        return reply.code(204).send(null);
      },
    );
  });
}
