import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { nearest } from '../catalogue/validate/nearest.ts';
import { logOf } from '../observability/requestLog.ts';
import { UpstreamError } from '../providers/provider.ts';
import { invalidRequest, OnetakeError } from '../tasks/errors.ts';
import { REASONS } from '../tasks/reasons.ts';
import { tooLarge } from './body/scanner.ts';
import { isOfOpenAiApi, videoError } from './openaiVideos/errors.ts';
import type { ErrorAnswer } from './schemas.ts';

/** Errors that Fastify raises itself, with our status and message. */
const FRAMEWORK_ERRORS: Readonly<Record<string, { status: number; reason: string; message: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    reason: 'unsupported_media_type',
    message: 'Send the body as JSON, with the header "Content-Type: application/json".',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    reason: 'invalid_request',
    message: 'The body is shorter or longer than its Content-Length says.',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    status: 400,
    reason: 'invalid_json',
    message: 'The body is empty; send a JSON object.',
  },
  FST_ERR_BAD_URL: { status: 400, reason: 'invalid_request', message: 'The path is not a valid URL path.' },
  FST_ERR_MAX_PARAM_LENGTH: {
    status: 404,
    reason: 'not_found',
    message: 'The id in the path is too long; check it.',
  },
  FST_ERR_VALIDATION: { status: 400, reason: 'invalid_request', message: 'The request is not valid.' },
};

/** Sends the answer for an error. Details that a caller may not read are only logged. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = errorAnswer(error, request, reply);
  return reply.send(isOfOpenAiApi(request.routeOptions.url ?? request.url) ? videoError(answer) : answer);
}

/** Sets status and headers on `reply`, logs server errors, and returns the body of the answer. */
export function errorAnswer(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): z.output<typeof ErrorAnswer> {
  const known = toOnetakeError(error, request);
  const { code: reason, status, message, details } = known;
  request.refusal = { reason, param: details.param };
  if (status >= 500) {
    // An error without a hidden cause is an expected condition, such as a model without an account or a gateway that is stopping.
    if (error === known && known.cause === undefined)
      logOf(request).warn({ event: 'request.unavailable', reason, param: details.param }, message);
    else logOf(request).error({ event: 'request.failed', err: error }, 'request failed');
  }
  if (details.retryAfterSeconds !== undefined) reply.header('retry-after', details.retryAfterSeconds);
  if (details.rateLimit) {
    // Beside those that count the requests.
    const beside = (name: string, item: string) =>
      reply.header(name, [reply.getHeader(name), item].filter(Boolean).join(', '));
    beside('ratelimit', details.rateLimit.limit);
    beside('ratelimit-policy', details.rateLimit.policy);
  }
  // The SDKs of OpenAI would repeat what cannot become right by itself, such as a model without an account.
  if (status >= 500 && details.param !== undefined) reply.header('x-should-retry', 'false');
  // Without this header, caches may store a 404 or 410, although the next answer can differ.
  reply.header('cache-control', 'no-store');
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="onetake"');
  // The rest of the body may still arrive, so the connection cannot be reused.
  if (status === 408) reply.header('connection', 'close');
  reply.code(status);
  return errorBody(known, request.id);
}

/** The error object on the wire. */
export const errorBody = (
  { code: reason, status, message, details }: OnetakeError,
  requestId: string,
): z.output<typeof ErrorAnswer> => ({
  error: {
    code: status,
    message,
    reason,
    ...(details.param === undefined ? {} : { param: details.param }),
    ...(details.status === undefined ? {} : { status: details.status }),
    ...details.extra,
    request_id: requestId,
  },
});

function toOnetakeError(error: unknown, { routeOptions }: FastifyRequest): OnetakeError {
  if (error instanceof OnetakeError) return error;
  if (error instanceof UpstreamError) {
    return new OnetakeError(
      error.reason,
      REASONS[error.reason].code === 429 ? 503 : 502,
      error.message,
      {},
      error,
    );
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const param = first?.instancePath.replace(/^\//, '').replaceAll('/', '.');
    const unknown = /^Unrecognized keys?: "([^"]+)"/.exec(first?.message ?? '')?.[1];
    if (unknown !== undefined) {
      const name = [param, unknown].filter(Boolean).join('.');
      const advice = adviceOn(name, param ? [] : fieldsOf(routeOptions.schema?.body));
      return invalidRequest(`${name} is not known here; ${advice}, or leave it out.`, name);
    }
    const where = param || 'The request';
    return new OnetakeError('invalid_request', 400, `${where} is not valid: ${inWords(first?.message)}.`, {
      ...(param ? { param } : {}),
    });
  }
  const { code, statusCode } = error as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(routeOptions.bodyLimit);
  const framework = code === undefined ? undefined : FRAMEWORK_ERRORS[code];
  if (framework) return new OnetakeError(framework.reason, framework.status, framework.message);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500 && error instanceof Error) {
    return new OnetakeError('invalid_request', statusCode, error.message);
  }
  return new OnetakeError(
    'internal_error',
    500,
    'An internal error occurred; report the request id to the operator.',
    {},
    error,
  );
}

/** The names that a body may have. */
const fieldsOf = (schema: unknown): string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

/** What to do about a name that is not one of them. */
function adviceOn(name: string, fields: readonly string[]): string {
  const [guess] = nearest(name, fields, 1);
  if (guess !== undefined) return `did you mean ${guess}? Correct it`;
  return fields.length === 0 ? 'check its spelling' : `these are: ${fields.join(', ')}. Correct it`;
}

/** Rewrites a message of the schema library, such as `Too big: expected number to be <=60`, as plain English. */
const inWords = (message = 'see the reference at /docs'): string =>
  message
    .replace(/^(?:Invalid input|Too (?:big|small)|Invalid option): /, '')
    .replace(/, received undefined$/, ', and it is missing')
    .replace(/ to be >=\s?/, ' of at least ')
    .replace(/ to be <=\s?/, ' of at most ')
    .replaceAll('"|"', '", "');
