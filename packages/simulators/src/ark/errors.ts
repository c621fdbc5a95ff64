import { randomBytes } from 'node:crypto';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { ASSUMPTIONS } from './assumptions.ts';

/** The value of `type`, by status (Ark, "Error codes"). */
const TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  429: 'TooManyRequests',
};

/** `{"error": {code, message, param, type}}`; every message ends with the id of the request. */
export function errorAnswer(status: number, code: string, message: string): Answer {
  const type = TYPES[status] ?? 'InternalServerError';
  return {
    status,
    body: { error: { code, message: `${message} ${requestId()}`, param: '', type } },
  };
}

/** Seen in others' logs: `021`, a time in milliseconds, and hex digits. */
export const requestId = (): string => `Request id: 021${Date.now()}${randomBytes(18).toString('hex')}`;

const refusal = (status: number, code: string, message: string): Refusal =>
  new Refusal(errorAnswer(status, code, message));

/** Ark, "Error codes", with its messages. Messages about single parameters are as others have seen them. */
export const refusals = {
  unauthorised: () =>
    refusal(401, 'AuthenticationError', 'The API key or AK/SK in the request is missing or invalid.'),
  overdue: () =>
    refusal(403, 'AccountOverdueError', 'The request failed because your account has an overdue balance.'),
  forbidden: () =>
    refusal(
      403,
      'AccessDenied',
      'The request failed because you do not have access to the requested resource.',
    ),
  freeQuota: (account: string, model: string) =>
    refusal(
      429,
      'QuotaExceeded',
      `Your account [${account}] has exhausted its free trial quota for the [${model}] model.`,
    ),
  queueFull: () => refusal(429, 'QuotaExceeded', 'The request has exceeded the quota.'),
  modelRate: () =>
    refusal(
      429,
      'ModelAccountRpmRateLimitExceeded',
      'RPM (Requests Per Minute) limit of the model is exceeded.',
    ),
  tooFrequent: () =>
    refusal(
      429,
      'AccountRateLimitExceeded',
      'Requests are too frequent. Please reduce your request frequency, wait a short moment, and retry your request.',
    ),
  noModel: (model: string) =>
    refusal(
      404,
      'InvalidEndpointOrModel.NotFound',
      `The model or endpoint ${model} does not exist or you do not have access to it.`,
    ),
  missing: (parameter: string) =>
    refusal(400, 'MissingParameter', `The required parameter ${parameter} is missing.`),
  invalid: (parameter: string, model: string, task: string) =>
    refusal(
      400,
      'InvalidParameter',
      `the parameter ${parameter} specified in the request is not valid for model ${model} in ${task}`,
    ),
  invalidContent: (message: string) => refusal(400, 'InvalidParameter', message),
  taskType: (type: string) =>
    refusal(
      400,
      'InvalidParameter.TaskTypeConstraint',
      `The parameters of the request do not fit a task of type ${type}.`,
    ),
  unsupported: (parameter: string) =>
    refusal(
      400,
      'InvalidParameter.UnsupportedParameter',
      `The parameters ${parameter} specified in the request are not supported by this endpoint.`,
    ),
  sensitiveText: () =>
    refusal(
      400,
      'InputTextSensitiveContentDetected',
      'The request failed because the input text may contain sensitive information.',
    ),
  realPerson: (index: number) =>
    refusal(
      400,
      'InputImageSensitiveContentDetected.PrivacyInformation',
      `The request failed because the input image 'content[${index}]' may contain real person.`,
    ),
  noTask: () => {
    const { status, code, message } = ASSUMPTIONS.taskNotFound;
    return refusal(status, code, message);
  },
  deleteRunning: (id: string) => {
    const { status, code, message } = ASSUMPTIONS.deleteRunning;
    return refusal(status, code, message(id));
  },
  deleteCancelled: (id: string) => {
    const { status, code, message } = ASSUMPTIONS.deleteCancelled;
    return refusal(status, code, message(id));
  },
};

/** The error of a failed task. The codes are the same as in refusals. */
export const FAILURES = {
  video: {
    code: 'OutputVideoSensitiveContentDetected',
    message: 'The request failed because the output video may contain sensitive information.',
  },
  copyright: {
    code: 'OutputVideoSensitiveContentDetected.PolicyViolation',
    message: 'The request failed because the output video may be related to copyright restrictions.',
  },
  audio: {
    code: 'OutputAudioSensitiveContentDetected',
    message: 'The request failed because the output audio may contain sensitive information.',
  },
  constraint: {
    code: 'InvalidParameter.TaskTypeConstraint',
    message: 'The parameters of the request do not fit the type of task that the model identified.',
  },
  mismatch: {
    code: 'InvalidParameter.TaskTypeMismatch',
    message: 'The type of task that the model identified differs from the one that was specified.',
  },
  internal: {
    code: 'InternalServiceError',
    message: 'The service encountered an unexpected internal error.',
  },
} as const;
