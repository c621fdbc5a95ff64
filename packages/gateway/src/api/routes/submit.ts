import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requireScope } from '../../auth/keyring.ts';
import { checkRequest } from '../../catalogue/validate/request.ts';
import { logOf } from '../../observability/requestLog.ts';
import type { IdempotencyRecord } from '../../store/store.ts';
import { draining, invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import type { Task } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { hangUpSignal } from '../http/hangUp.ts';
import { SUBMIT_SAMPLES } from '../openapi/examples.ts';
import { ERRORS, ErrorAnswer, SubmitAnswer, SubmitBody } from '../schemas.ts';
import { withSource } from './sourceVideo.ts';

/** A webhook that is accepted but never called would be worse than an error. */
const NO_WEBHOOKS =
  'webhook_url is not supported by this version; leave it out, and query with ?wait=30 or watch …/events instead.';

/** Longer strings are most likely images. Characters. */
const LONG_TEXT = 4096;

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
          'Answers with the id of a task once it is stored durably. Send an `Idempotency-Key` header to make retries safe.',
        tags: ['Video'],
        body: SubmitBody,
        response: {
          200: SubmitAnswer,
          ...ERRORS,
          408: ErrorAnswer.describe('The body stopped arriving'),
          413: ErrorAnswer.describe('The body is too large'),
          415: ErrorAnswer.describe('The body is not JSON'),
          422: ErrorAnswer.describe('The idempotency key was used with another body'),
          503: ErrorAnswer.describe(
            'No account serves the model, or the gateway is stopping; see `Retry-After`',
          ),
        },
      },
      bodyLimit: settings.bodyLimit,
      // The handler checks the body against the catalogue, whose messages say what the model accepts.
      validatorCompiler: () => (value) => ({ value }),
    },
    async (request, reply) => {
      const key = keyOf(request);
      requireScope(key, 'generate');
      const idempotency = readIdempotency(request);
      // First of all, because everything else may have changed since the first attempt: the catalogue, the image behind a URL, a
      // gateway that is stopping now.
      const earlier = idempotency && (await engine.acceptedUnder(key.projectId, idempotency));
      if (earlier) return answer(reply, earlier, true);
      if (engine.draining) throw draining();

      const wanted = checkRequest(request.body, catalogue);
      catalogue.requireAvailable(wanted.model);
      const checked = await withSource(context, request, wanted);
      if (checked.webhookUrl !== undefined) throw invalidRequest(NO_WEBHOOKS, 'webhook_url');
      const gone = hangUpSignal(reply);
      const { request: draft, media } = await inputs.readAll(checked, key.projectId, gone);
      try {
        // If the client has disconnected, nobody would learn the id of the task.
        gone.throwIfAborted();
        const { task, replayed } = await engine.submit({
          projectId: key.projectId,
          keyId: key.id,
          request: checked.notes.length > 0 ? { ...draft, notes: checked.notes } : draft,
          price: checked.price,
          media,
          ...(idempotency ? { idempotency } : {}),
        });
        if (replayed) await inputs.discard(media);
        else record(task, request);
        return answer(reply, task, replayed);
      } catch (error) {
        // The task was not accepted, so its inputs are deleted; if that fails, the cleanup deletes them later. If the answer of the
        // store was lost, the task may have been accepted, and the inputs may belong to it.
        const lost = cluster.shared && error instanceof OnetakeError && error.code === 'store_unavailable';
        if (!lost) await inputs.discard(media).catch(() => undefined);
        throw error;
      }
    },
  );

  /** Logs the acceptance with the request id, so that the log lines of the task can be found by it, and counts it. */
  function record({ id, projectId, keyId, request: { model } }: Task, request: FastifyRequest): void {
    logOf(request).info(
      { event: 'task.accepted', task: id, model, project: projectId, key: keyId },
      'task accepted',
    );
    metrics.accepted.inc({ model });
  }

  function readIdempotency({ headers, body }: FastifyRequest): IdempotencyRecord | undefined {
    const key = readIdempotencyKey(headers['idempotency-key']);
    return key === undefined
      ? undefined
      : { key, bodyHash: hashOf(body), expiresAt: clock.now() + settings.idempotencyMs };
  }
}

/** The answer is the same for every attempt with the same idempotency key. */
function answer(reply: FastifyReply, { id, createdAt, request }: Task, replayed: boolean) {
  if (replayed) reply.header('idempotent-replayed', 'true');
  return {
    task_id: id,
    status: 'queued' as const,
    format: 'mp4' as const,
    created_at: Math.floor(createdAt / 1000),
    model: request.model,
    ...(request.notes ? { notes: [...request.notes] } : {}),
  };
}

/** Images are hashed separately, so that a large body is not serialised a second time. */
const hashOf = (body: unknown): string =>
  hash(
    'sha256',
    JSON.stringify(body, (_name, value) =>
      typeof value === 'string' && value.length > LONG_TEXT ? `sha256:${hash('sha256', value)}` : value,
    ) ?? '',
  );

function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw invalidRequest('Idempotency-Key must be 1 to 255 visible ASCII characters.', 'Idempotency-Key');
  }
  return header;
}
