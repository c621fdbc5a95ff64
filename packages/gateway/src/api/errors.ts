import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { UpstreamError } from '../providers/provider.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { REASONS } from '../tasks/reasons.ts';

/** The HTTP framework's own refusals, in our words. */
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
  FST_ERR_VALIDATION: { status: 400, reason: 'invalid_request', message: 'The request is not valid.' },
};

/** The one place where errors become answers. What a caller may not read goes to the log alone. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toOnetakeError(error, request.routeOptions.bodyLimit);
  const { code: reason, status, message, details } = known;
  if (status >= 500) request.log.error({ err: error }, 'request failed');
  if (details.retryAfterSeconds !== undefined) reply.header('retry-after', details.retryAfterSeconds);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="onetake"');
  return reply.code(status).send({
    error: {
      code: status,
      message,
      reason,
      ...(details.param === undefined ? {} : { param: details.param }),
      ...(details.status === undefined ? {} : { status: details.status }),
      ...details.extra,
      request_id: request.id,
    },
  });
}

function toOnetakeError(error: unknown, bodyLimit: number): OnetakeError {
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
    const where = param ? `${error.validationContext ?? 'request'} parameter ${param}` : 'the request';
    return new OnetakeError('invalid_request', 400, `${where}: ${first?.message ?? 'is not valid'}.`, {
      ...(param ? { param } : {}),
    });
  }
  const { code, statusCode } = error as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const limit = Math.floor(bodyLimit / 2 ** 20);
    return new OnetakeError(
      'body_too_large',
      413,
      `The body is larger than ${limit} MiB; give images as URLs, or raise ONETAKE_BODY_LIMIT_MB.`,
    );
  }
  const framework = code === undefined ? undefined : FRAMEWORK_ERRORS[code];
  if (framework) return new OnetakeError(framework.reason, framework.status, framework.message);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500 && error instanceof Error) {
    return new OnetakeError('invalid_request', statusCode, error.message);
  }
  return new OnetakeError(
    'internal_error',
    500,
    'Something went wrong here; tell the operator the request id.',
    {},
    error,
  );
}
