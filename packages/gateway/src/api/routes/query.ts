import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { taskNotFound } from '../../tasks/errors.ts';
import { isTaskId } from '../../tasks/ids.ts';
import { statusOf } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { gone } from '../http/bytes.ts';
import { checkConditions, type Verdict } from '../http/conditions.ts';
import { QUERY_SAMPLES } from '../openapi/examples.ts';
import { ErrorAnswer, TASK_ERRORS, TaskAnswer } from '../schemas.ts';
import type { Snapshot } from '../views/snapshots.ts';
import { type Wait, WaitQuery, waitOf, watchStatus } from '../waiting.ts';

/** As the router knows it. */
export const QUERY_PATH = '/v1/video/generations/:task_id';

/** `GET /v1/video/generations/{task_id}`: the hot path. It never waits for a write. */
export function queryRoute(app: App, context: ApiContext): void {
  const { snapshots } = context;

  app.get(
    QUERY_PATH,
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getVideoTask',
        ...QUERY_SAMPLES,
        summary: 'Query a video task',
        description:
          'Never calls the upstream and costs nothing. Poll as often as you like, or let `wait` hold the answer until the task has finished.',
        tags: ['Video'],
        params: z.object({ task_id: z.string() }),
        querystring: WaitQuery,
        response: {
          200: TaskAnswer,
          304: z.null().describe('Nothing changed since the `ETag` in `If-None-Match`'),
          ...TASK_ERRORS,
          412: ErrorAnswer.describe('The task no longer matches `If-Match`'),
        },
      },
    },
    async (request, reply) => {
      const { task_id: id } = request.params;
      const wait = waitOf(request.query, request.headers.prefer);
      if (wait?.applied !== undefined) reply.header('preference-applied', wait.applied);
      const snapshot =
        wait && isTaskId(id) ? await awaited(id, wait, request, reply) : await find(id, request);
      return answer(request, reply, snapshot);
    },
  );

  async function awaited(
    id: string,
    wait: Wait,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Snapshot> {
    const watch = watchStatus(context, id);
    try {
      const snapshot = await find(id, request);
      const seen = statusOf(snapshot.task);
      if (wait.isOver(seen, seen) || (wait.forChange && isNews(request, snapshot))) return snapshot;
      await watch.until((status) => wait.isOver(status, seen), wait.seconds, reply);
    } finally {
      watch.stop();
    }
    return find(id, request);
  }

  async function find(id: string, request: FastifyRequest): Promise<Snapshot> {
    const snapshot = isTaskId(id) ? (snapshots.cached(id) ?? (await snapshots.read(id))) : undefined;
    if (!snapshot || snapshot.task.projectId !== keyOf(request).projectId) throw taskNotFound();
    if (snapshot.task.deletedAt !== undefined) throw gone('The task was deleted.');
    return snapshot;
  }
}

function answer(request: FastifyRequest, reply: FastifyReply, snapshot: Snapshot): FastifyReply {
  const verdict = checkConditions(request.headers, request.method, snapshot);
  const fields: string[] = [];
  addFields(fields, snapshot, verdict);
  for (let at = 0; at < fields.length; at += 2) reply.header(fields[at] ?? '', fields[at + 1]);
  return verdict === 'not_modified'
    ? reply.code(304).send()
    : reply.send(Buffer.from(snapshot.body, 'latin1'));
}

/** Adds the header fields of an answer, names and values in turn. */
export function addFields(fields: string[], { etag, retryAfter, body }: Snapshot, verdict: Verdict): void {
  fields.push('etag', etag);
  if (retryAfter !== undefined) fields.push('retry-after', retryAfter);
  if (verdict === 'proceed')
    fields.push('content-type', 'application/json; charset=utf-8', 'content-length', String(body.length));
  // HTTP caches must not store answers about tasks.
  fields.push('cache-control', 'no-store');
}

/** Whether the client already has an answer (`If-None-Match`) and this one is different. */
const isNews = ({ headers, method }: FastifyRequest, snapshot: Snapshot): boolean =>
  headers['if-none-match'] !== undefined && checkConditions(headers, method, snapshot) === 'proceed';
