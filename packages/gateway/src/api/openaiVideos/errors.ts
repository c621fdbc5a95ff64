import type { z } from 'zod';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import type { ErrorAnswer } from '../schemas.ts';
import type { VideoErrorAnswer } from './schemas.ts';

/** Whether a request is for OpenAI's API, whose errors have a form of their own. */
export const isOfOpenAiApi = (url: string): boolean => /^\/+v1\/+(?:videos|files)(?:[/?]|$)/.test(url);

/** Fields of the unified API that have another name in this one. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['image', 'input_reference'],
  ['duration', 'seconds'],
  ['video_url', 'video'],
  ['references[0]', 'video'],
]);

/** Our reasons by the codes that OpenAI documents. The others are codes as they are. */
const CODES: Readonly<Record<string, string>> = {
  unauthorized: 'invalid_api_key',
  rate_limited: 'rate_limit_exceeded',
  invalid_request: 'invalid_value',
};

/** An error in OpenAI's form. */
export function videoError({ error }: z.output<typeof ErrorAnswer>): z.output<typeof VideoErrorAnswer> {
  const { param } = error;
  // What this API does not know has the name that the caller gave it.
  const name =
    param === undefined || error.reason === 'unknown_parameter' ? param : (NAMES.get(param) ?? param);
  const isNamed = param !== undefined && name !== undefined && error.message.startsWith(param);
  const message = isNamed ? `${name}${error.message.slice(param.length)}` : error.message;
  return {
    error: {
      // OpenAI's errors have no field for it, and its own messages name it like this.
      message: error.code >= 500 ? `${message} (request ID ${error.request_id})` : message,
      type: typeOf(error.code),
      param: name ?? null,
      code: CODES[error.reason] ?? error.reason,
    },
  };
}

/** OpenAI's guide "Error codes". */
function typeOf(status: number): string {
  if (status === 402) return 'insufficient_quota';
  if (status === 429) return 'requests';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

export const videoNotFound = (id: string): OnetakeError =>
  new OnetakeError(
    'not_found',
    404,
    `There is no video ${JSON.stringify(id.slice(0, 64).toWellFormed())} in your project.`,
    { param: 'video_id' },
  );

/** For a call that is repeated after the video which it made was deleted: that does not exist in this API. */
export const deletedSince = (): OnetakeError =>
  new OnetakeError(
    'not_found',
    404,
    'The video of this Idempotency-Key was deleted; use a new key for a new video.',
  );

export const missing = (param: string): OnetakeError =>
  invalidRequest(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');

export const unsupported = (message: string, param?: string): OnetakeError =>
  invalidRequest(message, param, 'unsupported_operation');
