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

/** As much of an OpenAPI document's paths as is looked at here. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const header = (description: string): Header => ({ description, schema: { type: 'string' } });

const REQUEST_ID: Headers = { 'X-Request-Id': header('Tell it to the operator with a complaint') };
const RETRY: Headers = { 'Retry-After': header('Seconds until it is worth trying again') };
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

/** Answers whose body is not JSON: by operation and status, the types that it may have. */
const BODIES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  watchVideoTask: { 200: [EVENTS] },
  getVideoContent: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
  getMedia: {
    200: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
    206: ['video/mp4', 'image/jpeg', 'image/png', 'image/webp'],
  },
  downloadVideo: { 200: ['video/mp4', 'image/jpeg'], 206: ['video/mp4', 'image/jpeg'] },
};

/** Headers beside the common ones: by operation and status. */
const HEADERS: Readonly<Record<string, Readonly<Record<string, Headers>>>> = {
  getVideoContent: bytesHeaders(),
  getMedia: bytesHeaders(),
  downloadVideo: bytesHeaders(),
  getVideoTask: {
    200: { ...RETRY, ETag: header('For `If-None-Match`') },
    304: { ETag: header('As it was') },
  },
  submitVideo: {
    200: { 'Idempotent-Replayed': header('`true` where the task was accepted by an earlier try') },
  },
};

function bytesHeaders(): Readonly<Record<string, Headers>> {
  const range = { 'Content-Range': header('First and last byte, and how many there are') };
  return {
    200: VALIDATORS,
    206: { ...VALIDATORS, ...range },
    304: VALIDATORS,
    416: { 'Content-Range': header('How many bytes there are') },
  };
}

/** What any operation may answer beside what its route says, by what kind of operation it is. */
function commonErrors({ requestBody, security }: Operation, method: string): Record<string, string> {
  // No list of its own: the document's, which asks for a key.
  const isSecured = security?.length !== 0;
  return {
    400: 'The request is wrong; `param` names the field',
    ...(isSecured && method !== 'get' ? { 403: 'The key lacks the scope' } : {}),
    ...(requestBody
      ? {
          408: 'The body stopped coming',
          413: 'The body is too large',
          415: 'The body is not JSON, or compressed; `Accept-Encoding` says what is taken',
          429: 'Too many large bodies at once',
        }
      : {}),
    431: 'The address and the headers have more than 16 KiB together',
    500: 'A mistake of ours; tell the operator the request id',
    503: 'The gateway is stopping, or its database or storage is away',
  };
}

/** Makes the paths of an OpenAPI document say what is sent: types and headers of answers, and the errors that no route lists. */
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
    // What the framework calls JSON `null` is no body at all; bytes are text of their own type.
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
