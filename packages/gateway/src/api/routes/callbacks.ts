import { z } from 'zod';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { ErrorAnswer } from '../schemas.ts';

/** A provider's notice names one task; its largest are the task's whole state. Bytes. */
const BODY_LIMIT = 1_048_576;

/**
 * `POST /callbacks/{account}`: providers say here that a task may have changed. A notice is a hint and nothing more: once
 * it is known to be genuine, the gateway asks the provider itself.
 */
export function callbackRoutes(app: App, { accounts, engine }: ApiContext): void {
  app.register(async (scope) => {
    // Signatures are over the bytes as they came.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    (scope as App).post(
      '/callbacks/:account',
      {
        bodyLimit: BODY_LIMIT,
        schema: {
          operationId: 'receiveCallback',
          summary: 'Notices of providers',
          description: 'For providers that call back when a task changes; see docs/providers.md.',
          tags: ['Operations'],
          security: [],
          params: z.object({ account: z.string() }),
          response: {
            204: z.null().describe('Taken'),
            401: ErrorAnswer.describe('Not from the provider'),
            404: ErrorAnswer.describe('No such account, or one whose provider does not call back'),
          },
        },
      },
      async (request, reply) => {
        const account = accounts.find(({ id }) => id === request.params.account);
        if (!account?.provider.verifyCallback) {
          throw new OnetakeError('not_found', 404, 'No account of this name takes callbacks.');
        }
        const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const query = z.record(z.string(), z.unknown()).catch({}).parse(request.query);
        let upstreamIds: readonly string[];
        try {
          upstreamIds = await account.provider.verifyCallback({ headers: request.headers, rawBody, query });
        } catch (cause) {
          const message = 'The callback is not genuine; check the secret that its provider signs with.';
          throw new OnetakeError('unauthorized', 401, message, {}, cause);
        }
        for (const upstreamId of upstreamIds) engine.hint(account.id, upstreamId);
        return reply.code(204).send(null);
      },
    );
  });
}
