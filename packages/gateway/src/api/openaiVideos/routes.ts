import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import { isTaskId } from '../../tasks/ids.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import { useForms } from '../body/multipart.ts';
import type { ReceiveBody } from '../body/receive.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { NO_PARAMETERS } from '../filters.ts';
import { CONDITIONAL_ANSWERS } from '../http/bytes.ts';
import { sendBytes, Variant } from '../routes/content.ts';
import { queryNumber, REFUSED_KEY, TOO_MUCH } from '../schemas.ts';
import type { Submission } from '../submission.ts';
import { deletedSince, unsupported, videoNotFound } from './errors.ts';
import { addHeaders } from './headers.ts';
import { CALLS, type Call, readFields, unifiedBody } from './request.ts';
import { DeletedVideo, VIDEO_ERRORS, Video, VideoErrorAnswer, VideoPage } from './schemas.ts';
import { videoView } from './view.ts';

/** A query costs nothing, and the Python SDK keeps to the first pause that it is told. Milliseconds. */
const POLL_AFTER_MS = 2000;

const TAGS = ['OpenAI Videos'];
const FORMS = ['application/json', 'multipart/form-data'];
const VideoParams = z.object({ video_id: z.string() });
const ListQuery = z.object({
  limit: queryNumber({ min: 0, max: 100, example: 20, whole: true }).default(20),
  after: z
    .string()
    .optional()
    .describe('A video id: the page begins after it (`last_id` of the previous page)')
    .meta({ pattern: '^video_[0-9a-f]{32}$' }),
  order: z.enum(['asc', 'desc']).default('desc').describe('By the time of creation'),
});

/** OpenAI's Videos API over the tasks of this gateway: with the same checks, keys, projects, idempotency and money. */
export function openAiVideoRoutes(
  app: App,
  context: ApiContext,
  { submit, receive }: { readonly submit: Submission; readonly receive: ReceiveBody },
): void {
  app.register(async (scope) => {
    useForms(scope, receive);
    addHeaders(scope);
    for (const call of CALLS) submitRoute(scope, context, submit, call);
    readRoutes(scope, context);
    contentRoute(scope, context);
    characterRoutes(scope, context);
  });
}

/** A call that makes a video. */
function submitRoute(app: App, context: ApiContext, submit: Submission, call: Call): void {
  const { url, operationId, summary, description, body } = call;
  app.post(
    url,
    {
      config: { scope: 'generate' },
      schema: {
        operationId,
        summary,
        description,
        tags: TAGS,
        consumes: FORMS,
        ...(call.operation === 'remix' ? { params: VideoParams } : {}),
        body,
        response: {
          200: Video,
          ...VIDEO_ERRORS,
          402: VideoErrorAnswer.describe('A budget of the key or its project is spent'),
          403: VideoErrorAnswer.describe(REFUSED_KEY),
          429: VideoErrorAnswer.describe(TOO_MUCH),
          410: VideoErrorAnswer.describe('The services that are configured for the model no longer have it'),
          422: VideoErrorAnswer.describe('The idempotency key was used with another request'),
        },
      },
      bodyLimit: context.settings.bodyLimit,
      // The handler checks the fields, and the catalogue their values.
      validatorCompiler: () => (value) => ({ value }),
    },
    async (request, reply) => {
      const { video_id: id } = VideoParams.partial().parse(request.params);
      const fields = readFields(request.body, Object.keys(body.shape));
      const { task, replayed } = await submit(request, reply, {
        given: [call.operation, id, fields],
        api: 'openai',
        unified: () => unifiedBody(call.operation, { id, fields }, context.catalogue, find(context, request)),
        ...(call.operation === 'remix' && id !== undefined ? { remixOf: id } : {}),
      });
      if (replayed) reply.header('idempotent-replayed', 'true');
      if (task.deletedAt !== undefined) throw deletedSince();
      return show(context, reply, task);
    },
  );
}

function readRoutes(app: App, context: ApiContext): void {
  const { engine, store } = context;
  app.get(
    '/v1/videos',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listVideos',
        summary: 'List videos',
        description: 'The tasks of your project, whichever API made them.',
        tags: TAGS,
        querystring: ListQuery,
        response: { 200: VideoPage, ...VIDEO_ERRORS },
      },
    },
    async (request, reply) => {
      const { limit, after, order } = request.query;
      if (after !== undefined && !isTaskId(after)) {
        throw invalidRequest('after must be a video id: the last_id of the page before.', 'after');
      }
      const tasks = await store.listTasks({
        projectId: keyOf(request).projectId,
        // One more than asked for shows whether there are more.
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
        ...(order === 'asc' ? { oldestFirst: true } : {}),
      });
      const data = tasks.slice(0, limit).map((task) => view(context, task));
      reply.header('cache-control', 'no-store');
      return {
        object: 'list' as const,
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        // A page without videos has no `last_id` to go on from.
        has_more: data.length > 0 && tasks.length > limit,
      };
    },
  );

  app.get(
    '/v1/videos/:video_id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'retrieveVideo',
        summary: 'Retrieve a video',
        description: 'Never calls the upstream and costs nothing.',
        tags: TAGS,
        params: VideoParams,
        response: { 200: Video, ...VIDEO_ERRORS },
      },
    },
    async (request, reply) => show(context, reply, await find(context, request)(request.params.video_id)),
  );

  app.delete(
    '/v1/videos/:video_id',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'deleteVideo',
        summary: 'Delete a finished video',
        description: 'Erases the prompt, the inputs and the video. The cost stays on record.',
        tags: TAGS,
        params: VideoParams,
        response: {
          200: DeletedVideo,
          ...VIDEO_ERRORS,
          409: VideoErrorAnswer.describe('Not finished; cancel it first'),
        },
      },
    },
    async (request) => {
      const task = await find(context, request)(request.params.video_id);
      await engine.remove(task);
      return { id: task.id, object: 'video.deleted' as const, deleted: true as const };
    },
  );
}

function contentRoute(app: App, context: ApiContext): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/videos/:video_id/content',
    config: { scope: 'read' },
    schema: {
      operationId: 'downloadVideoContent',
      summary: 'Download a video, or its poster frame',
      description: 'Supports `Range`, `If-Range`, `HEAD` and conditional requests.',
      tags: TAGS,
      params: VideoParams,
      querystring: z.object({ variant: Variant }),
      response: {
        200: z.file().describe('The bytes'),
        ...CONDITIONAL_ANSWERS,
        ...VIDEO_ERRORS,
        412: VideoErrorAnswer.describe('It no longer matches `If-Match` or `If-Unmodified-Since`'),
        416: VideoErrorAnswer.describe('The range lies outside the bytes'),
        409: VideoErrorAnswer.describe('Not finished yet; or failed'),
        410: VideoErrorAnswer.describe('The video was deleted at its `expires_at`'),
      },
    },
    handler: async (request, reply) => {
      const task = await find(context, request)(request.params.video_id);
      return sendBytes(context, request, reply, task, request.query.variant);
    },
  });
}

/** No model here keeps characters, so none can be made, and there is none. */
function characterRoutes(app: App, { settings }: ApiContext): void {
  const hidden = { schema: { hide: true, querystring: NO_PARAMETERS }, bodyLimit: settings.bodyLimit };
  app.post('/v1/videos/characters', { ...hidden, config: { scope: 'generate' } }, async () => {
    throw unsupported(
      'No model here keeps characters; give images or videos of one as references to POST /v1/video/generations.',
    );
  });
  app.get('/v1/videos/characters/:character_id', { ...hidden, config: { scope: 'read' } }, async () => {
    throw new OnetakeError('not_found', 404, 'No model here keeps characters, so there are none.');
  });
}

/** Finds a task of the caller's project. A deleted one does not exist in this API. */
const find =
  ({ engine }: ApiContext, request: FastifyRequest) =>
  async (id: string): Promise<Task> => {
    const task = isTaskId(id) ? await engine.read(id) : undefined;
    if (task?.projectId !== keyOf(request).projectId || task.deletedAt !== undefined) throw videoNotFound(id);
    return task;
  };

function show(context: ApiContext, reply: FastifyReply, task: Task) {
  if (!isTerminal(task.phase)) reply.header('openai-poll-after-ms', POLL_AFTER_MS);
  reply.header('cache-control', 'no-store');
  return view(context, task);
}

const view = ({ engine, catalogue }: ApiContext, task: Task) =>
  videoView(task, {
    percent: engine.live(task.id)?.percent,
    sent: catalogue.upstreamRequest(task.request) ?? task.request,
  });
