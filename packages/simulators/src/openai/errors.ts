import { type Answer, Refusal } from '../core/http/answer.ts';
import { ASSUMPTIONS } from './assumptions.ts';

export interface ErrorFields {
  readonly message: string;
  readonly type?: string;
  readonly param?: string | null;
  readonly code?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** OpenAI's public API description, schema ErrorResponse. */
export function errorAnswer(status: number, fields: ErrorFields): Answer {
  const { message, type = 'invalid_request_error', param = null, code = null, headers = {} } = fields;
  return { status, headers, body: { error: { message, type, param, code } } };
}

const refusal = (status: number, fields: ErrorFields): Refusal => new Refusal(errorAnswer(status, fields));

const quoted = (values: readonly string[]): string =>
  new Intl.ListFormat('en-US').format(values.map((value) => `'${value}'`));

/** The refusals of the videos endpoints. Others observed the messages in quotes. `assumptions.ts` has those that nobody has. */
export const refusals = {
  missingKey: () =>
    refusal(401, {
      message:
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    }),
  wrongKey: (key: string) =>
    refusal(401, {
      message: `Incorrect API key provided: ${key.slice(0, 8)}***. You can find your API key at https://platform.openai.com/account/api-keys.`,
      code: 'invalid_api_key',
    }),
  /** OpenAI, "Error codes": 429 "You exceeded your current quota". Not a rate limit, because waiting does not help. */
  quota: () =>
    refusal(429, {
      message: 'You exceeded your current quota, please check your plan and billing details.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    }),
  hardLimit: () =>
    refusal(400, { message: 'Billing hard limit has been reached', code: 'billing_hard_limit_reached' }),
  unverified: (model: string) =>
    refusal(403, { message: `Your organization must be verified to use the model \`${model}\`.` }),
  modelNotFound: (model: string) =>
    refusal(404, {
      message: `The model '${model}' does not exist or you do not have access to it.`,
      code: 'model_not_found',
    }),
  missing: (param: string) =>
    refusal(400, {
      message: `Missing required parameter: '${param}'.`,
      param,
      code: 'missing_required_parameter',
    }),
  unknownParameter: (param: string) =>
    refusal(400, { message: `Unknown parameter: '${param}'.`, param, code: 'unknown_parameter' }),
  invalidValue: (param: string, value: string, supported: readonly string[]) =>
    refusal(400, {
      message: `Invalid value: '${value}'. Supported values are: ${quoted(supported)}.`,
      param,
      code: 'invalid_value',
    }),
  invalidEnumType: (param: string, supported: readonly string[], got: string) =>
    refusal(400, {
      message: `Invalid type for '${param}': expected one of ${quoted(supported).replace(', and', ', or')}, but got ${got} instead.`,
      param,
      code: 'invalid_type',
    }),
  invalidType: (param: string, expected: string, got: string) =>
    refusal(400, {
      message: `Invalid type for '${param}': expected ${expected}, but got ${got} instead.`,
      param,
      code: 'invalid_type',
    }),
  tooLong: (param: string, longest: number, length: number) =>
    refusal(400, {
      message: `Invalid '${param}': string too long. Expected a string with maximum length ${longest}, but got a string with length ${length} instead.`,
      param,
      code: 'string_above_max_length',
    }),
  imageSize: () =>
    refusal(400, {
      message: 'Inpaint image must match the requested width and height',
      param: 'input_reference',
    }),
  imageType: () =>
    refusal(400, {
      message: "Invalid 'input_reference': supported file types are image/jpeg, image/png and image/webp.",
      param: 'input_reference',
    }),
  extensionLimit: (message: string) => refusal(400, { message, param: 'seconds', code: 'invalid_value' }),
  moderation: () =>
    refusal(ASSUMPTIONS.moderationAtCreate.status, {
      message: 'Your request was blocked by our moderation system.',
      code: ASSUMPTIONS.moderationAtCreate.code,
    }),
  characterNotFound: (id: string) =>
    refusal(ASSUMPTIONS.videoNotFound.status, { message: `Character with id '${id}' not found.` }),
  tooManyCharacters: (most: number) =>
    refusal(400, { message: `At most ${most} characters can be used in a video.`, param: 'characters' }),
  videoNotFound: (id: string) =>
    refusal(ASSUMPTIONS.videoNotFound.status, { message: ASSUMPTIONS.videoNotFound.message(id) }),
  choice: (choice: { readonly status: number; readonly message: string }) =>
    refusal(choice.status, { message: choice.message }),
  rateLimited: (model: string, limit: number, retryAfter: number) =>
    new Refusal(
      rateLimitAnswer(
        `Rate limit reached for ${model} on requests per min (RPM): Limit ${limit}.`,
        retryAfter,
      ),
    ),
  /** Azure, as others saw it. */
  tooManyRunning: () => refusal(429, { message: 'Too many running tasks' }),
};

export function rateLimitAnswer(message: string, retryAfter: number | undefined): Answer {
  return errorAnswer(429, {
    message,
    type: 'requests',
    code: 'rate_limit_exceeded',
    headers:
      retryAfter === undefined || !ASSUMPTIONS.retryAfterOnRateLimit
        ? {}
        : { 'retry-after': String(retryAfter) },
  });
}
