import { z } from 'zod';
import { CONTENT_TYPES } from '../../media/key.ts';
import { EVENT_TYPES } from '../../tasks/events.ts';
import { isOfOpenAiApi } from '../openaiVideos/errors.ts';
import { VideoErrorAnswer } from '../openaiVideos/schemas.ts';
import { ErrorAnswer, EventData, ResetData, TaskAnswer } from '../schemas.ts';

interface Header {
  readonly description: string;
  readonly schema: object;
}
type Headers = Readonly<Record<string, Header>>;

interface Answer {
  readonly description: string;
  content?: Record<string, { readonly schema?: object }>;
  headers?: Headers;
}

interface Operation {
  readonly operationId?: string;
  readonly requestBody?: object;
  readonly security?: readonly { readonly key: readonly string[] }[];
  responses?: Record<string, Answer>;
}

/** The members of an OpenAPI document's paths that are used here. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const header = (description: string): Header => ({ description, schema: { type: 'string' } });

const REQUEST_ID: Headers = {
  'X-Request-Id': header('Include it when you report a problem to the operator'),
};
const RATES: Headers = {
  RateLimit: header('Of a key with limits: what remains of each, and the seconds until it is whole again'),
  'RateLimit-Policy': header('Of a key with limits: each, and the seconds that it is for'),
};
const rateHeaders = ({ security }: Operation): Headers => (security?.length === 0 ? {} : RATES);
const RETRY: Headers = { 'Retry-After': header('Seconds until a retry makes sense') };
const APPLIED: Headers = {
  'Preference-Applied': header('`wait=30` if the `Prefer` header decided; at most 60'),
};
const VALIDATORS: Headers = {
  ETag: header('For `If-None-Match`, `If-Match` and `If-Range`'),
  'Last-Modified': header('For `If-Modified-Since` and `If-Unmodified-Since`'),
};
const REPLAYED: Headers = {
  'Idempotent-Replayed': header('`true` if an earlier request with the same key created the task'),
};
const POLL_AFTER: Headers = {
  'OpenAI-Poll-After-Ms': header('Milliseconds until the next query, while the video is unfinished'),
};

const EVENTS = 'text/event-stream';
/** One event of a stream. */
const eventSchema = (event: object, id: string, description: string, data: z.ZodType) => ({
  type: 'object',
  properties: {
    event,
    id: { type: 'string', description: id },
    data: {
      type: 'string',
      contentMediaType: 'application/json',
      description,
      contentSchema: z.toJSONSchema(data),
    },
  },
  required: ['event', 'id', 'data'],
});

/** The events of the streams, by operation. */
const STREAMED: Readonly<Record<string, object>> = {
  watchVideoTask: eventSchema(
    { const: 'task' },
    'The `ETag` of the answer',
    'What a query would answer',
    TaskAnswer,
  ),
  watchEvents: eventSchema(
    { enum: [...EVENT_TYPES, 'ready', 'reset'] },
    'The cursor, for `Last-Event-ID`',
    'The event. That of `ready` is empty, and that of `reset` says why',
    z.union([EventData, ResetData, z.object({})]),
  ),
};

/** Media types of answers that are not JSON, by operation and status. */
const BODIES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  watchVideoTask: { 200: [EVENTS] },
  watchEvents: { 200: [EVENTS] },
  getVideoContent: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
  downloadVideoContent: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
  getMedia: {
    200: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
    206: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
  },
  downloadVideo: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
  downloadFile: { 200: Object.values(CONTENT_TYPES), 206: Object.values(CONTENT_TYPES) },
};

/** Headers besides the common ones, by operation and status. */
const HEADERS: Readonly<Record<string, Readonly<Record<string, Headers>>>> = {
  getVideoContent: bytesHeaders(),
  downloadVideoContent: bytesHeaders(),
  getMedia: bytesHeaders(),
  downloadVideo: bytesHeaders(),
  downloadFile: bytesHeaders(),
  getVideoTask: {
    200: { ...RETRY, ...APPLIED, ETag: header('For `If-None-Match`') },
    304: { ETag: header('Unchanged') },
  },
  listModels: { 200: { ETag: header('For `If-None-Match`') }, 304: { ETag: header('Unchanged') } },
  submitVideo: {
    200: {
      ...REPLAYED,
      'Onetake-Task-Id': header('With `wait`: the id of the task'),
      Location: header('With `wait`: where the task can be queried'),
      ...APPLIED,
    },
  },
  createVideo: { 200: { ...REPLAYED, ...POLL_AFTER } },
  remixVideo: { 200: { ...REPLAYED, ...POLL_AFTER } },
  editVideo: { 200: { ...REPLAYED, ...POLL_AFTER } },
  extendVideo: { 200: { ...REPLAYED, ...POLL_AFTER } },
  retrieveVideo: { 200: POLL_AFTER },
};

function bytesHeaders(): Readonly<Record<string, Headers>> {
  const range = { 'Content-Range': header('First and last byte, and the total number') };
  return {
    200: VALIDATORS,
    206: { ...VALIDATORS, ...range },
    304: VALIDATORS,
    416: { 'Content-Range': header('The total number of bytes') },
  };
}

/** Errors that an operation may answer with although its route does not list them, by kind of operation. */
function commonErrors({ requestBody, security }: Operation): Record<string, string> {
  const scope = security?.[0]?.key[0];
  return {
    400: 'The request is wrong; `param` names the field',
    ...(scope === undefined ? {} : { 403: `The key lacks the scope \`${scope}\`` }),
    ...(requestBody
      ? {
          408: 'The body stopped arriving',
          413: 'The body is too large',
          415: 'The body is not JSON, or is compressed; `Accept-Encoding` says what is accepted',
        }
      : {}),
    ...(security?.length === 0
      ? {}
      : {
          429: `The key or its project has made its requests of the minute${requestBody ? ', or there are too many large bodies at once' : ''}`,
        }),
    431: 'The address and the headers have more than 16 KiB together',
    500: 'A bug in the gateway; report the request id to the operator',
    503: 'The gateway is stopping, or its database or storage is unavailable',
  };
}

/** Completes the paths of an OpenAPI document: media types and headers of answers, and the errors that no route lists. */
export function describeAnswers(paths: Paths): void {
  for (const [path, methods] of Object.entries(paths)) {
    const error = isOfOpenAiApi(path) ? VIDEO_ERROR : ERROR;
    for (const operation of Object.values(methods)) describeOperation(operation, error);
  }
}

function describeOperation(operation: Operation, error: object): void {
  const { operationId: id = '', responses = {} } = operation;
  operation.responses = responses;
  for (const [status, description] of Object.entries(commonErrors(operation))) {
    responses[status] ??= { description, content: { 'application/json': { schema: error } } };
  }
  for (const [status, response] of Object.entries(responses)) {
    const types = BODIES[id]?.[status] ?? [];
    const json = response.content?.['application/json'];
    // A JSON `null` stands for an answer without a body, and a JSON string for bytes of another media type.
    const keepsJson =
      json && !isSchema(json.schema, 'null') && !(types.length > 0 && isSchema(json.schema, 'string'));
    const content = {
      ...(keepsJson ? { 'application/json': json } : {}),
      ...Object.fromEntries(
        types.map((type) => [type, { schema: type === EVENTS ? STREAMED[id] : { type: 'string' } }]),
      ),
    };
    if (Object.keys(content).length > 0) response.content = content;
    else delete response.content;
    response.headers = {
      ...REQUEST_ID,
      ...(status === '429' || status === '503' ? RETRY : {}),
      ...(status === '429' || status.startsWith('2') ? rateHeaders(operation) : {}),
      ...HEADERS[id]?.[status],
    };
  }
}

const isSchema = (schema: object | undefined, type: string): boolean =>
  schema !== undefined && 'type' in schema && schema.type === type;

const ERROR = z.toJSONSchema(ErrorAnswer);
const VIDEO_ERROR = z.toJSONSchema(VideoErrorAnswer);
