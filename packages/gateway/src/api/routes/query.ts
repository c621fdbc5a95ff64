import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { taskNotFound } from '../../tasks/errors.ts';
import { isTaskId } from '../../tasks/ids.ts';
import { isTerminal, statusOf } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { gone } from '../http/bytes.ts';
import { checkConditions } from '../http/conditions.ts';
import { QUERY_SAMPLES } from '../openapi/examples.ts';
import { ErrorAnswer, TASK_ERRORS, TaskAnswer } from '../schemas.ts';
import { sendSerialised } from '../views/serialised.ts';
import type { Snapshot } from '../views/snapshots.ts';

/** How long a query can be held at most, seconds. Not above the idle timeouts of common proxies. */
const MAX_WAIT_SECONDS = 60;

const Wait = z.coerce
  .number()
  .min(0)
  .max(MAX_WAIT_SECONDS)
  .optional()
  .describe(
    'How many seconds to hold the answer until the status changes. Also as a header: `Prefer: wait=30`',
  );

/** `GET /v1/video/generations/{task_id}`: the hot path. It never waits for a write. */
export function queryRoute(app: App, { snapshots, feed, draining }: ApiContext): void {
  app.get(
    '/v1/video/generations/:task_id',
    {
      schema: {
        operationId: 'getVideoTask',
        ...QUERY_SAMPLES,
        summary: 'Query a video task',
        description: 'Never calls the upstream and costs nothing. Poll as often as you like, or use `wait`.',
        tags: ['Video'],
        params: z.object({ task_id: z.string() }),
        querystring: z.object({ wait: Wait }),
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
      let snapshot = await find(id, request);
      const seconds = request.query.wait ?? preferredWait(request.headers.prefer);
      if (seconds > 0 && !isTerminal(snapshot.task.phase) && !isNews(request, snapshot)) {
        await statusChange(id, snapshot, seconds, request);
        snapshot = await find(id, request);
      }
      return answer(request, reply, snapshot);
    },
  );

  async function find(id: string, request: FastifyRequest): Promise<Snapshot> {
    const snapshot = isTaskId(id) ? (snapshots.cached(id) ?? (await snapshots.read(id))) : undefined;
    if (!snapshot || snapshot.task.projectId !== keyOf(request).projectId) throw taskNotFound();
    if (snapshot.task.deletedAt !== undefined) throw gone('The task was deleted.');
    return snapshot;
  }

  /** Resolves when the status changes, the time is over, the client disconnects, or the gateway stops. */
  function statusChange(id: string, seen: Snapshot, seconds: number, request: FastifyRequest): Promise<void> {
    return new Promise((resolve) => {
      const before = statusOf(seen.task);
      const done = () => {
        clearTimeout(timer);
        stopTask();
        stopDrain();
        request.raw.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      const stopTask = feed.onTask(id, ({ task }) => {
        if (statusOf(task) !== before) done();
      });
      const stopDrain = draining.onRelease(done);
      request.raw.once('close', done);
      // If the client disconnected while the task was read, there will be no `close` event.
      if (request.raw.socket.destroyed) done();
    });
  }
}

function answer(request: FastifyRequest, reply: FastifyReply, snapshot: Snapshot): FastifyReply {
  reply.header('etag', snapshot.etag);
  if (snapshot.retryAfter !== undefined) reply.header('retry-after', snapshot.retryAfter);
  if (checkConditions(request.headers, request.method, snapshot) === 'not_modified') {
    return reply.code(304).header('cache-control', 'no-store').send();
  }
  return sendSerialised(reply, snapshot.body);
}

/** Whether the client already has an answer (`If-None-Match`) and this one is different. */
const isNews = ({ headers, method }: FastifyRequest, snapshot: Snapshot): boolean =>
  headers['if-none-match'] !== undefined && checkConditions(headers, method, snapshot) === 'proceed';

/** `Prefer: wait=30` (RFC 7240). An invalid preference is ignored. */
function preferredWait(prefer: string | string[] | undefined): number {
  if (prefer === undefined) return 0;
  const seconds = /(?:^|[,;\s])wait=(\d+)/.exec([prefer].flat().join(','))?.[1];
  return seconds === undefined ? 0 : Math.min(MAX_WAIT_SECONDS, Number(seconds));
}
