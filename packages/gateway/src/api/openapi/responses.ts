import { z } from 'zod';
import { ErrorAnswer, TaskAnswer } from '../schemas.ts';

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
  readonly security?: readonly object[];
  responses?: Record<string, Answer>;
}

/** The members of an OpenAPI document's paths that are used here. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const header = (description: string): Header => ({ description, schema: { type: 'string' } });

const REQUEST_ID: Headers = {
  'X-Request-Id': header('Include it when you report a problem to the operator'),
};
const RETRY: Headers = { 'Retry-After': header('Seconds until a retry makes sense') };
const VALIDATORS: Headers = {
  ETag: header('For `If-None-Match`, `If-Match` and `If-Range`'),
  'Last-Modified': header('For `If-Modified-Since` and `If-Unmodified-Since`'),
};

const EVENTS = 'text/event-stream';
/** One event of the stream. */
const EVENT = {
  type: 'object',
  properties: {
    event: { const: 'task' },
    id: { type: 'string', description: 'The `ETag` of the answer' },
    data: {
      type: 'string',
      contentMediaType: 'application/json',
      description: 'What a query would answer',
      contentSchema: z.toJSONSchema(TaskAnswer),
    },
  },
  required: ['event', 'id', 'data'],
};

/** Media types of answers that are not JSON, by operation and status. */
const BODIES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  watchVideoTask: { 200: [EVENTS] },
  getVideoContent: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
  getMedia: {
    200: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
    206: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
  },
  downloadVideo: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
};

/** Headers besides the common ones, by operation and status. */
const HEADERS: Readonly<Record<string, Readonly<Record<string, Headers>>>> = {
  getVideoContent: bytesHeaders(),
  getMedia: bytesHeaders(),
  downloadVideo: bytesHeaders(),
  getVideoTask: {
    200: { ...RETRY, ETag: header('For `If-None-Match`') },
    304: { ETag: header('Unchanged') },
  },
  submitVideo: {
    200: { 'Idempotent-Replayed': header('`true` if an earlier request with the same key created the task') },
  },
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
function commonErrors({ requestBody, security }: Operation, method: string): Record<string, string> {
  // An operation without its own list inherits that of the document, which requires a key.
  const isSecured = security?.length !== 0;
  return {
    400: 'The request is wrong; `param` names the field',
    ...(isSecured && method !== 'get' ? { 403: 'The key lacks the scope' } : {}),
    ...(requestBody
      ? {
          408: 'The body stopped arriving',
          413: 'The body is too large',
          415: 'The body is not JSON, or is compressed; `Accept-Encoding` says what is accepted',
          429: 'Too many large bodies at once',
        }
      : {}),
    431: 'The address and the headers have more than 16 KiB together',
    500: 'A bug in the gateway; report the request id to the operator',
    503: 'The gateway is stopping, or its database or storage is unavailable',
  };
}

/** Completes the paths of an OpenAPI document: media types and headers of answers, and the errors that no route lists. */
export function describeAnswers(paths: Paths): void {
  for (const path of Object.values(paths)) {
    for (const [method, operation] of Object.entries(path)) describeOperation(operation, method);
  }
}

function describeOperation(operation: Operation, method: string): void {
  const { operationId: id = '', responses = {} } = operation;
  operation.responses = responses;
  for (const [status, description] of Object.entries(commonErrors(operation, method))) {
    responses[status] ??= { description, content: { 'application/json': { schema: ERROR } } };
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
        types.map((type) => [type, { schema: type === EVENTS ? EVENT : { type: 'string' } }]),
      ),
    };
    if (Object.keys(content).length > 0) response.content = content;
    else delete response.content;
    response.headers = {
      ...REQUEST_ID,
      ...(status === '429' || status === '503' ? RETRY : {}),
      ...HEADERS[id]?.[status],
    };
  }
}

const isSchema = (schema: object | undefined, type: string): boolean =>
  schema !== undefined && 'type' in schema && schema.type === type;

const ERROR = z.toJSONSchema(ErrorAnswer);
