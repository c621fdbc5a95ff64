import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { invalidRequest } from '../../tasks/errors.ts';
import { isTaskId } from '../../tasks/ids.ts';
import { type ApiContext, type App, keyOf, ownTask } from '../context.ts';
import { metadataFilter } from '../filters.ts';
import {
  ERRORS,
  ErrorAnswer,
  queryNumber,
  queryText,
  TASK_ERRORS,
  TaskAnswer,
  TaskList,
} from '../schemas.ts';
import { textOf } from '../views/snapshots.ts';

const TaskParams = z.object({ task_id: z.string() });

const ListQuery = z.looseObject({
  limit: queryNumber({ min: 1, max: 100, example: 20, whole: true }).default(20),
  after: z
    .string()
    .optional()
    .describe('A task id: the page begins after it (`next_cursor` of the previous page)')
    .meta({ pattern: '^video_[0-9a-f]{32}$' }),
  status: z.enum(['queued', 'in_progress', 'succeeded', 'failed']).optional(),
  model: queryText('the id of a model', 'onetake-preview').optional(),
});

/** Lists, cancels and deletes tasks. */
export function taskRoutes(app: App, context: ApiContext): void {
  const { engine, store, snapshots } = context;

  app.get(
    '/v1/video/generations',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listVideoTasks',
        summary: 'List video tasks',
        description: 'Newest first. Filter by metadata with `metadata[name]=value`, which may be repeated.',
        tags: ['Video'],
        querystring: ListQuery,
        response: { 200: TaskList, ...ERRORS },
      },
    },
    async (request, reply) => {
      const { limit } = request.query;
      const tasks = await store.listTasks({
        projectId: keyOf(request).projectId,
        // One more than asked for shows whether there are more.
        limit: limit + 1,
        ...filtersOf(request.query),
      });
      const page = tasks.slice(0, limit);
      const last = page.at(-1);
      const head = { object: 'list', has_more: tasks.length > limit };
      const cursor = tasks.length > limit && last ? { next_cursor: last.id } : {};
      const views = await Promise.all(page.map(async (task) => textOf(await snapshots.of(task))));
      return sendSerialised(
        reply,
        `${JSON.stringify({ ...head, ...cursor }).slice(0, -1)},"data":[${views.join(',')}]}`,
      );
    },
  );

  app.post(
    '/v1/video/generations/:task_id/cancel',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'cancelVideoTask',
        summary: 'Cancel a video task',
        description:
          'A waiting task is cancelled at once; a task that is upstream only if its provider can cancel it. A cancelled task is `failed` with code 499, and costs nothing. ' +
          '202: the request is stored, and sent upstream as soon as possible.',
        tags: ['Video'],
        params: TaskParams,
        response: {
          200: TaskAnswer,
          202: TaskAnswer,
          ...TASK_ERRORS,
          409: ErrorAnswer.describe('Already finished, or its provider can no longer cancel it'),
        },
      },
    },
    async (request, reply) => {
      const task = await ownTask(context, request, request.params.task_id);
      const cancelled = await engine.cancel(task);
      return sendSerialised(
        reply.code(cancelled.phase === 'failed' ? 200 : 202),
        textOf(await snapshots.of(cancelled)),
      );
    },
  );

  app.delete(
    '/v1/video/generations/:task_id',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'deleteVideoTask',
        summary: 'Delete a finished video task',
        description:
          'Erases the prompt, the inputs, what the provider said of it and the video. The cost stays on record.',
        tags: ['Video'],
        params: TaskParams,
        response: {
          200: z.object({ task_id: z.string(), deleted: z.literal(true) }),
          ...TASK_ERRORS,
          409: ErrorAnswer.describe('Not finished; cancel it first'),
        },
      },
    },
    async (request) => {
      const task = await ownTask(context, request, request.params.task_id);
      await engine.remove(task);
      return { task_id: task.id, deleted: true as const };
    },
  );
}

function filtersOf({ limit: _, after, status, model, ...others }: z.output<typeof ListQuery>) {
  if (after !== undefined && !isTaskId(after)) {
    throw invalidRequest('after must be a task id: the next_cursor of the page before.', 'after');
  }
  return {
    metadata: metadataFilter(others),
    ...(after ? { after } : {}),
    ...(status ? { status } : {}),
    ...(model ? { model } : {}),
  };
}

/** Sends JSON that is already serialised. HTTP caches must not store answers about tasks. */
const sendSerialised = (reply: FastifyReply, body: string): FastifyReply =>
  reply
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(body);
