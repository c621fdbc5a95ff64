import { validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Task } from '../../tasks/task.ts';
import type { ApiContext, App } from '../context.ts';
import { sendHeld } from '../heldSubmit.ts';
import { gone } from '../http/bytes.ts';
import { SUBMIT_SAMPLES } from '../openapi/examples.ts';
import {
  ERRORS,
  ErrorAnswer,
  REFUSED_KEY,
  SubmitAnswer,
  SubmitBody,
  TaskAnswer,
  TOO_MUCH,
} from '../schemas.ts';
import type { Submission } from '../submission.ts';
import { WaitQuery, waitOf } from '../waiting.ts';

/** What a validator of one part of a request is compiled for. */
type Part = Parameters<typeof validatorCompiler>[0];

/** `POST /v1/video/generations` */
export function submitRoute(app: App, context: ApiContext, submit: Submission): void {
  app.post(
    '/v1/video/generations',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'submitVideo',
        ...SUBMIT_SAMPLES,
        summary: 'Submit a video task',
        description:
          'Answers with the id of a task once it is stored durably. With `wait`, status and headers are sent then, and the body is the answer of a query once the task has finished or the time is over; disconnecting cancels nothing. Send an `Idempotency-Key` header to make retries safe.',
        tags: ['Video'],
        querystring: WaitQuery,
        body: SubmitBody,
        response: {
          200: z.union([SubmitAnswer, TaskAnswer.describe('With `wait`')]),
          ...ERRORS,
          402: ErrorAnswer.describe('A budget of the key or its project is spent (`budget_spent`)'),
          403: ErrorAnswer.describe(REFUSED_KEY),
          429: ErrorAnswer.describe(TOO_MUCH),
          408: ErrorAnswer.describe('The body stopped arriving'),
          410: ErrorAnswer.describe(
            'The services that are configured for the model no longer have it, or the task of the idempotency key was deleted',
          ),
          413: ErrorAnswer.describe('The body is too large'),
          415: ErrorAnswer.describe('The body is not JSON'),
          422: ErrorAnswer.describe('The idempotency key was used with another body'),
          503: ErrorAnswer.describe(
            'No account serves the model, or the gateway is stopping; see `Retry-After`',
          ),
        },
      },
      bodyLimit: context.settings.bodyLimit,
      // The handler checks the body against the catalogue, whose messages say what the model accepts.
      validatorCompiler: (part) =>
        part.httpPart === 'body' ? (value) => ({ value }) : checkQuery(part as unknown as Part),
    },
    async (request, reply) => {
      const { body } = request;
      const wait = waitOf(request.query, request.headers.prefer);
      const { task, replayed } = await submit(request, reply, { given: body, unified: async () => body });
      if (replayed) reply.header('idempotent-replayed', 'true');
      // As for a query of it, and before the head of a held answer is sent.
      if (task.deletedAt !== undefined)
        throw gone('The task of this Idempotency-Key was deleted; use a new key for a new video.');
      if (!wait) return answerOf(task);
      // How long it was held is logged with its end.
      request.isLogged = false;
      return sendHeld(context, reply, task, wait, answerOf(task));
    },
  );
}

/** Most submissions have no query, which is what its schema makes of it. */
function checkQuery(part: Part): ReturnType<typeof validatorCompiler> {
  const check = validatorCompiler(part);
  return (value) => (Object.keys(value).length === 0 ? { value } : check(value));
}

/** The same for every attempt with the same idempotency key. */
const answerOf = ({ id, createdAt, request }: Task) => ({
  task_id: id,
  status: 'queued' as const,
  format: 'mp4' as const,
  created_at: Math.floor(createdAt / 1000),
  model: request.model,
  ...(request.notes ? { notes: [...request.notes] } : {}),
});
