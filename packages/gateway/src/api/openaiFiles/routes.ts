import { z } from 'zod';
import { extensionOf } from '../../media/key.ts';
import { logOf } from '../../observability/requestLog.ts';
import type { MediaRow } from '../../store/store.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { fileIdOf, mediaIdOfFile } from '../../tasks/ids.ts';
import { type ApiContext, type App, keyOf } from '../context.ts';
import { CONDITIONAL_ANSWERS, serveBytes } from '../http/bytes.ts';
import { addHeaders } from '../openaiVideos/headers.ts';
import { VIDEO_ERRORS, VideoErrorAnswer } from '../openaiVideos/schemas.ts';
import { ownFile } from '../ownFile.ts';
import { queryNumber } from '../schemas.ts';
import { DeletedFile, FileObject, FilePage, PURPOSES, UploadBody } from './schemas.ts';
import { createUploadHandler, refuseOtherBodies } from './upload.ts';

const TAGS = ['Files'];
const FileParams = z.object({ file_id: z.string() });
/** As many as OpenAI's API gives. */
const MOST_LISTED = 10_000;
const ListQuery = z.object({
  limit: queryNumber({ min: 1, max: MOST_LISTED, example: 20, whole: true }).default(MOST_LISTED),
  after: z
    .string()
    .optional()
    .describe('A file id: the page begins after it (`last_id` of the previous page)')
    .meta({ pattern: '^file-[0-9a-f]{32}$' }),
  order: z.enum(['asc', 'desc']).default('desc').describe('By the time of creation'),
  purpose: z.enum(PURPOSES).optional(),
});
const ERRORS = { ...VIDEO_ERRORS, 404: VideoErrorAnswer.describe('No such file in your project') };

/** OpenAI's Files API, for inputs of videos. */
export function openAiFileRoutes(app: App, context: ApiContext): void {
  app.register(async (scope) => {
    addHeaders(scope);
    // Only uploads: clients send the type of JSON with calls that have no body.
    scope.register(async (uploads) => {
      refuseOtherBodies(uploads);
      uploadRoute(uploads, context);
    });
    listRoute(scope, context);
    fileRoutes(scope, context);
  });
}

function uploadRoute(app: App, context: ApiContext): void {
  const upload = createUploadHandler(app, context);
  app.post(
    '/v1/files',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'createFile',
        summary: 'Upload a file',
        description:
          'An image, a video or a sound, to be used as an input by its id: in `image`, `last_frame`, `reference_images` and `references` of `POST /v1/video/generations`, and in `input_reference` and `video` of `/v1/videos`. It is checked at once, and belongs to your project. A request that uses it makes a copy, so a file may be deleted while tasks that were made with it are under way.',
        tags: TAGS,
        consumes: ['multipart/form-data'],
        body: UploadBody,
        response: {
          200: FileObject,
          ...ERRORS,
          409: VideoErrorAnswer.describe('Your project may keep no more; delete files'),
          413: VideoErrorAnswer.describe('The file is too large'),
          415: VideoErrorAnswer.describe('The body is not a form'),
          429: VideoErrorAnswer.describe('Too many uploads at once'),
          503: VideoErrorAnswer.describe(
            'The storage is down, or the gateway is stopping; see `Retry-After`',
          ),
        },
      },
      // The handler reads the form.
      validatorCompiler: () => (value) => ({ value }),
    },
    async (request, reply) => view(await upload(request, reply)),
  );
}

function listRoute(app: App, { store, clock }: ApiContext): void {
  app.get(
    '/v1/files',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listFiles',
        summary: 'List files',
        description: 'The files of your project that have not expired.',
        tags: TAGS,
        querystring: ListQuery,
        response: { 200: FilePage, ...ERRORS },
      },
    },
    async (request, reply) => {
      const { limit, after, order, purpose } = request.query;
      const behind = after === undefined ? undefined : mediaIdOfFile(after);
      if (after !== undefined && behind === undefined) {
        throw invalidRequest('after must be a file id: the last_id of the page before.', 'after');
      }
      const rows = await store.files({
        projectId: keyOf(request).projectId,
        // One more than asked for shows whether there are more.
        limit: limit + 1,
        now: clock.now(),
        ...(behind === undefined ? {} : { after: behind }),
        ...(order === 'asc' ? { oldestFirst: true } : {}),
        ...(purpose === undefined ? {} : { purpose }),
      });
      const data = rows.slice(0, limit).map(view);
      reply.header('cache-control', 'no-store');
      return {
        object: 'list' as const,
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: rows.length > limit,
      };
    },
  );
}

function fileRoutes(app: App, context: ApiContext): void {
  const { uploads } = context;
  app.get(
    '/v1/files/:file_id',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'retrieveFile',
        summary: 'Retrieve a file',
        tags: TAGS,
        params: FileParams,
        response: { 200: FileObject, ...ERRORS },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return view(await find(context, request));
    },
  );

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/files/:file_id/content',
    config: { scope: 'read' },
    schema: {
      operationId: 'downloadFile',
      summary: 'Download the bytes of a file',
      description: 'Supports `Range`, `If-Range`, `HEAD` and conditional requests.',
      tags: TAGS,
      params: FileParams,
      response: {
        200: z.file().describe('The bytes'),
        ...CONDITIONAL_ANSWERS,
        ...ERRORS,
        412: VideoErrorAnswer.describe('It no longer matches `If-Match` or `If-Unmodified-Since`'),
        416: VideoErrorAnswer.describe('The range lies outside the bytes'),
        502: VideoErrorAnswer.describe('The stored bytes are damaged; upload the file again'),
      },
    },
    handler: async (request, reply) => {
      const row = await find(context, request);
      // Not the name that the caller gave it, which may have any characters.
      const filename = `${fileIdOf(row.id)}.${extensionOf(row.contentType)}`;
      return serveBytes(request, reply, context, row, { filename, disposition: 'attachment' });
    },
  });

  app.delete(
    '/v1/files/:file_id',
    {
      config: { scope: 'generate' },
      schema: {
        operationId: 'deleteFile',
        summary: 'Delete a file',
        description: 'Tasks that were made with it keep their copy.',
        tags: TAGS,
        params: FileParams,
        response: { 200: DeletedFile, ...ERRORS },
      },
    },
    async (request) => {
      const key = keyOf(request);
      const row = await find(context, request);
      await uploads.remove(row);
      const id = fileIdOf(row.id);
      logOf(request).info(
        { event: 'file.deleted', file: id, project: key.projectId, key: key.id },
        'file deleted',
      );
      return { id, object: 'file' as const, deleted: true as const };
    },
  );
}

const find = (
  context: ApiContext,
  request: Parameters<typeof keyOf>[0] & { readonly params: z.output<typeof FileParams> },
): Promise<MediaRow> => ownFile(context, request.params.file_id, keyOf(request).projectId, 'file_id');

/** A file as OpenAI's API shows it. */
const view = (row: MediaRow): z.output<typeof FileObject> => ({
  id: fileIdOf(row.id),
  object: 'file',
  bytes: row.bytes ?? 0,
  created_at: seconds(row.createdAt),
  expires_at: seconds(row.expiresAt ?? row.createdAt),
  filename: row.name ?? '',
  purpose: PURPOSES.find((purpose) => purpose === row.purpose) ?? 'user_data',
  status: row.state === 'damaged' ? 'error' : 'processed',
});

const seconds = (ms: number): number => Math.floor(ms / 1000);
