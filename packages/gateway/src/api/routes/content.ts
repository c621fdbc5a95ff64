import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { piecesOf } from '../../media/pieces.ts';
import { logOf } from '../../observability/requestLog.ts';
import type { MediaRow } from '../../store/store.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { statusOf, type Task } from '../../tasks/task.ts';
import { type ApiContext, type App, keyOf, ownTask } from '../context.ts';
import { prefers, varyByAccept } from '../http/accept.ts';
import { base64Length, base64Of } from '../http/base64.ts';
import { startBody } from '../http/blockBody.ts';
import { CACHE_CONTROL, CONDITIONAL_ANSWERS, gone, serveBytes } from '../http/bytes.ts';
import { checkConditions } from '../http/conditions.ts';
import { hangUpSignal } from '../http/hangUp.ts';
import { readMediaRow } from '../mediaRow.ts';
import { CONTENT_SAMPLES } from '../openapi/examples.ts';
import { DownloadAnswer, ERRORS, ErrorAnswer, queryText } from '../schemas.ts';

export const Variant = z
  .enum(['video', 'thumbnail', 'spritesheet'])
  .default('video')
  .describe(
    '`thumbnail` gives the poster frame, `spritesheet` twenty frames in five columns; both are JPEGs. A sprite sheet is made when it is asked for',
  );
type Variant = z.output<typeof Variant>;

const BYTES_ERRORS = {
  ...ERRORS,
  409: ErrorAnswer.describe(
    'Not finished yet, with its `status`; or failed, with the error of the task; or its poster frame is not made yet',
  ),
  410: ErrorAnswer.describe('The video was deleted at its `expires_at`'),
  502: ErrorAnswer.describe('The stored bytes are damaged (`media_damaged`) or missing (`media_missing`)'),
};
const VIDEO_ANSWERS = {
  200: z.file().describe('The bytes'),
  ...CONDITIONAL_ANSWERS,
  ...BYTES_ERRORS,
};

/** `GET …/{task_id}/content` and `GET …/download?id=`: the bytes, or JSON with base64 like the reference service. */
export function contentRoutes(app: App, context: ApiContext): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/video/generations/:task_id/content',
    config: { scope: 'read' },
    schema: {
      operationId: 'getVideoContent',
      ...CONTENT_SAMPLES,
      summary: 'Download the bytes',
      description: 'Supports `Range`, `If-Range`, `HEAD` and conditional requests.',
      tags: ['Video'],
      params: z.object({ task_id: z.string() }),
      querystring: z.object({ variant: Variant }),
      response: VIDEO_ANSWERS,
    },
    handler: async (request, reply) => {
      const task = await ownTask(context, request, request.params.task_id);
      return sendBytes(context, request, reply, task, request.query.variant);
    },
  });

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/video/generations/download',
    config: { scope: 'read' },
    schema: {
      operationId: 'downloadVideo',
      summary: 'Download as JSON with base64, or as bytes',
      description: 'JSON, unless the `Accept` header prefers `video/mp4`. The answer is streamed.',
      tags: ['Video'],
      querystring: z.object({
        id: queryText('a task id', 'video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f').describe('The task id'),
        variant: Variant,
      }),
      response: { 200: DownloadAnswer, ...CONDITIONAL_ANSWERS, ...BYTES_ERRORS },
    },
    handler: async (request, reply) => {
      const task = await ownTask(context, request, request.query.id);
      varyByAccept(reply);
      const bytes = prefers(request.headers.accept, 'video/mp4', 'application/json');
      if (bytes || request.query.variant !== 'video') {
        return sendBytes(context, request, reply, task, request.query.variant);
      }
      return sendJson(context, request, reply, task);
    },
  });
}

/** The bytes themselves, as a file to save. */
export async function sendBytes(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  task: Task,
  variant: Variant,
): Promise<FastifyReply> {
  const row = await mediaOf(task, variant === 'thumbnail' ? 'thumbnail' : 'video', context);
  if (variant === 'spritesheet') return sendSpriteSheet(context, request, reply, row);
  const filename = variant === 'video' ? `${task.id}.mp4` : `${task.id}.jpg`;
  return serveBytes(request, reply, context, row, { filename, disposition: 'attachment' });
}

async function sendSpriteSheet(
  { media, spriteSheets }: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  row: MediaRow,
): Promise<FastifyReply> {
  const stat = await media.stat(row);
  const etag = `"${row.sha256 ?? row.id}-spritesheet"`;
  reply.headers({ etag, 'cache-control': CACHE_CONTROL });
  const current = { etag, modifiedAt: stat.modifiedAt };
  if (checkConditions(request.headers, request.method, current) === 'not_modified') {
    return reply.code(304).send();
  }
  const filename = `${row.taskId ?? row.id}-spritesheet.jpg`;
  reply.headers({
    'content-type': 'image/jpeg',
    'content-disposition': `attachment; filename="${filename}"`,
  });
  // The length is not known before the whole video was decoded.
  if (request.method === 'HEAD') return reply.send();
  return reply.send(await spriteSheets(row, keyOf(request).id, hangUpSignal(reply)));
}

/** JSON with the video as base64, streamed: neither encoding of the video is ever in memory as a whole. */
async function sendJson(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  task: Task,
): Promise<FastifyReply> {
  const { media } = context;
  const row = await mediaOf(task, 'video', context);
  const stat = await media.stat(row);
  const head = `{"success":true,"generation_id":${JSON.stringify(task.id)},"task_id":${JSON.stringify(task.id)},"format":"mp4","size":${stat.bytes},"base64":"`;
  const middle = '","data_url":"data:video/mp4;base64,';
  const tail = '"}';
  const length = head.length + middle.length + tail.length + 2 * base64Length(stat.bytes);
  const etag = `"${row.sha256 ?? row.id}-json"`;
  reply.headers({ etag, 'cache-control': 'no-store' });
  if (checkConditions(request.headers, request.method, { etag }) === 'not_modified') {
    return reply.code(304).send();
  }
  reply.headers({ 'content-type': 'application/json; charset=utf-8', 'content-length': length });
  if (request.method === 'HEAD') return reply.send();

  // The answer holds the video twice, so it is read twice.
  const pieces = async function* () {
    // Opened before the head is sent, so that what is wrong with it can still become the answer.
    const bytes = await media.read(row);
    try {
      yield head;
      yield* base64Of(piecesOf(bytes));
    } finally {
      bytes.destroy();
    }
    yield middle;
    yield* base64Of(piecesOf(await media.read(row)));
    yield tail;
  };
  const body = await startBody(pieces());
  body.once('close', () => {
    if (body.readableEnded) return;
    logOf(request).warn(
      { event: 'request.download_aborted', err: body.errored, task: task.id },
      'the download of a video was aborted',
    );
  });
  return reply.send(body);
}

/** The stored file of a finished task. Throws a 409 before the task has succeeded and a 410 after its file was deleted. */
async function mediaOf(
  task: Task,
  variant: Exclude<Variant, 'spritesheet'>,
  context: ApiContext,
): Promise<MediaRow> {
  if (!task.result) throw notReady(task);
  const id = variant === 'video' ? task.result.videoId : task.result.posterId;
  const row = id === undefined ? undefined : await readMediaRow(context, id);
  if (task.result.expiresAt <= context.clock.now()) {
    const until = new Date(task.result.expiresAt).toISOString();
    throw gone(`The video was kept until ${until} and is deleted now; submit the task again if you need it.`);
  }
  if (row) return row;
  throw gone(
    variant === 'video' ? 'The video is no longer stored here.' : 'There is no poster frame of this video.',
  );
}

function notReady(task: Task): OnetakeError {
  const status = statusOf(task);
  if (task.error) {
    const message = `The task failed, so there is no video: ${task.error.message}`;
    return new OnetakeError('task_failed', 409, message, {
      status,
      extra: {
        task_error: { code: task.error.code, reason: task.error.reason, message: task.error.message },
      },
    });
  }
  const message = `The video is not ready: the task is ${status}. Query the task until its status is succeeded.`;
  return new OnetakeError('not_ready', 409, message, { status, retryAfterSeconds: 2 });
}
