import { createHash } from 'node:crypto';
import { requireScope } from '../keys/keyring.ts';
import { checkRequest } from '../models/checkRequest.ts';
import { draining, invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { type ApiContext, type App, keyOf } from './context.ts';
import { SUBMIT_SAMPLES } from './samples.ts';
import { ERRORS, ErrorAnswer, SubmitAnswer, SubmitBody } from './schemas.ts';
import { withSource } from './sourceVideo.ts';

/** Taking the URL and never calling it would be worse than refusing. */
const NO_WEBHOOKS =
  'webhook_url is not supported by this version; leave it out, and query with ?wait=30 or watch …/events instead.';

/** `POST /v1/video/generations` */
export function submitRoute(app: App, context: ApiContext): void {
  const { engine, cluster, catalogue, inputs, clock, metrics, settings } = context;

  app.post(
    '/v1/video/generations',
    {
      schema: {
        operationId: 'submitVideo',
        ...SUBMIT_SAMPLES,
        summary: 'Submit a video task',
        description:
          'Answers at once with the id of a task that survives any crash. Send an `Idempotency-Key` header to make a retry safe.',
        tags: ['Video'],
        body: SubmitBody,
        response: {
          200: SubmitAnswer,
          ...ERRORS,
          413: ErrorAnswer.describe('The body is too large'),
          415: ErrorAnswer.describe('The body is not JSON'),
          422: ErrorAnswer.describe('The idempotency key was used with another body'),
          503: ErrorAnswer.describe(
            'The model has no account, or the gateway is stopping; see `Retry-After`',
          ),
        },
      },
      // The body is checked against the catalogue, whose messages say what the model in question accepts.
      validatorCompiler: () => (value) => ({ value }),
    },
    async (request, reply) => {
      const key = keyOf(request);
      requireScope(key, 'generate');
      if (engine.draining) throw draining();

      const wanted = checkRequest(request.body, catalogue);
      catalogue.requireAvailable(wanted.model);
      const checked = await withSource(context, request, wanted);
      if (checked.webhookUrl !== undefined) throw invalidRequest(NO_WEBHOOKS, 'webhook_url');
      const idempotencyKey = readIdempotencyKey(request.headers['idempotency-key']);
      const { request: draft, media } = await inputs.readAll(checked, key.projectId);
      try {
        const { task, replayed } = await engine.submit({
          projectId: key.projectId,
          keyId: key.id,
          request: draft,
          price: checked.price,
          media,
          ...(idempotencyKey === undefined
            ? {}
            : {
                idempotency: {
                  key: idempotencyKey,
                  bodyHash: createHash('sha256').update(JSON.stringify(request.body)).digest('hex'),
                  expiresAt: clock.now() + settings.idempotencyMs,
                },
              }),
        });
        if (replayed) {
          await inputs.discard(media);
          reply.header('idempotent-replayed', 'true');
        } else {
          // Told with the request's id, so that a caller's complaint leads to the task's own lines.
          const { id, projectId, keyId } = task;
          request.log.info(
            { task: id, model: task.request.model, project: projectId, key: keyId },
            'task accepted',
          );
          metrics.accepted.inc({ model: task.request.model });
        }
        return {
          task_id: task.id,
          status: 'queued' as const,
          format: 'mp4' as const,
          created_at: Math.floor(task.createdAt / 1000),
          model: task.request.model,
          ...(checked.notes.length > 0 ? { notes: [...checked.notes] } : {}),
        };
      } catch (error) {
        // Nothing was accepted, so nothing may be left behind; a failure to tidy up is the sweep's to mend. Where the store's answer
        // was lost it may have been accepted all the same, and the inputs are the task's.
        const lost = cluster.shared && error instanceof OnetakeError && error.code === 'store_unavailable';
        if (!lost) await inputs.discard(media).catch(() => undefined);
        throw error;
      }
    },
  );
}

function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw invalidRequest('Idempotency-Key must be 1 to 255 visible ASCII characters.', 'Idempotency-Key');
  }
  return header;
}
