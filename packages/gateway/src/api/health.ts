import { z } from 'zod';
import { draining, OnetakeError } from '../tasks/errors.ts';
import type { ApiContext, App } from './context.ts';
import { ErrorAnswer } from './schemas.ts';

/** `/healthz`, `/readyz`, `/metrics`: for load balancers and operators; no key. */
export function healthRoutes(app: App, { engine, store, storage, metrics }: ApiContext): void {
  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'healthz',
        summary: 'The process is alive',
        tags: ['Operations'],
        security: [],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'readyz',
        summary: 'The gateway can accept tasks',
        description: 'Writes to the store and to media storage before it says yes.',
        tags: ['Operations'],
        security: [],
        response: {
          200: z.object({ status: z.literal('ready'), unfinished_tasks: z.int() }),
          503: ErrorAnswer.describe('Stopping, or store or media storage cannot be written'),
        },
      },
    },
    async () => {
      if (engine.draining) throw draining();
      for (const [part, check] of [
        ['store', store.check],
        ['media storage', storage.check],
      ] as const) {
        await check().catch((cause: unknown) => {
          const message = `The ${part} cannot be written; see the log.`;
          throw new OnetakeError('not_ready', 503, message, { retryAfterSeconds: 5 }, cause);
        });
      }
      return { status: 'ready' as const, unfinished_tasks: engine.unfinished };
    },
  );

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.text()),
  );
}
