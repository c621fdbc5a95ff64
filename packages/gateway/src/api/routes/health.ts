import { z } from 'zod';
import { draining as drainingError, OnetakeError } from '../../tasks/errors.ts';
import type { ApiContext, App } from '../context.ts';
import { errorAnswer } from '../errors.ts';
import { NO_PARAMETERS } from '../filters.ts';
import type { ReadinessReport } from '../readiness.ts';
import { NotReadyAnswer, ReadyAnswer } from '../schemas.ts';

/** `/healthz`, `/readyz` and `/metrics`, for load balancers and operators. They need no key. */
export function healthRoutes(app: App, context: ApiContext): void {
  const { engine, readiness, draining, metrics } = context;

  app.get(
    '/healthz',
    {
      config: { scope: 'public', takesAnyQuery: true },
      schema: {
        operationId: 'healthz',
        summary: 'The process is alive',
        description:
          'Checks nothing else: a gateway whose database is unavailable should not be restarted for that.',
        tags: ['Operations'],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { scope: 'public', takesAnyQuery: true },
      schema: {
        operationId: 'readyz',
        summary: 'The gateway can accept tasks',
        description:
          'Writes to the store and to media storage, and checks that this node is notified of changes by other nodes. Answers within 3 seconds.',
        tags: ['Operations'],
        response: {
          200: ReadyAnswer,
          503: NotReadyAnswer.describe('Stopping, or a part does not work'),
        },
      },
    },
    async (request, reply) => {
      const report = draining.begun ? undefined : await readiness.check();
      reply.header('cache-control', 'no-store');
      const unfinished_tasks = engine.unfinished;
      const warnings = report && Object.keys(report.warnings).length > 0 ? { warnings: report.warnings } : {};
      // Checked again, because a stop may have begun during the checks.
      if (!draining.begun && report?.ready) {
        return { status: 'ready' as const, parts: report.parts, ...warnings, unfinished_tasks };
      }
      const error = draining.begun || !report ? drainingError() : notReady(report);
      return {
        ...errorAnswer(error, request, reply),
        status: 'not_ready' as const,
        ...(report ? { parts: report.parts } : {}),
        ...warnings,
        unfinished_tasks,
      };
    },
  );

  app.get(
    '/metrics',
    { config: { scope: 'public' }, schema: { hide: true, querystring: NO_PARAMETERS } },
    async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.text()),
  );
}

function notReady({ parts }: ReadinessReport): OnetakeError {
  const wrong = Object.values(parts).filter((state) => state !== 'ok');
  return new OnetakeError('not_ready', 503, wrong.join(' '), { retryAfterSeconds: 5 });
}
