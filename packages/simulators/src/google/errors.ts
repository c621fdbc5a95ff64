import { type Answer, Refusal } from '../core/http/answer.ts';
import type { Service } from './models.ts';

/** google.rpc.Code, with the HTTP status that "Errors" (AIP-193) maps it to. */
const CODES = {
  INVALID_ARGUMENT: { rpc: 3, http: 400 },
  FAILED_PRECONDITION: { rpc: 9, http: 400 },
  UNAUTHENTICATED: { rpc: 16, http: 401 },
  PERMISSION_DENIED: { rpc: 7, http: 403 },
  NOT_FOUND: { rpc: 5, http: 404 },
  RESOURCE_EXHAUSTED: { rpc: 8, http: 429 },
  INTERNAL: { rpc: 13, http: 500 },
  UNAVAILABLE: { rpc: 14, http: 503 },
} as const;

type Status = keyof typeof CODES;
type Detail = Readonly<Record<string, unknown>>;

const typed = (type: string, members: Detail): Detail => ({
  '@type': `type.googleapis.com/google.rpc.${type}`,
  ...members,
});

const errorInfo = (reason: string, metadata: Detail = {}): Detail =>
  typed('ErrorInfo', { reason, domain: 'googleapis.com', metadata });

/** google.rpc.Status as JSON over HTTP. */
export function rpcAnswer(status: Status, message: string, details: readonly Detail[] = []): Answer {
  const { http } = CODES[status];
  return {
    status: http,
    body: { error: { code: http, message, status, ...(details.length > 0 ? { details } : {}) } },
  };
}

const refuse = (status: Status, message: string, details?: readonly Detail[]): Refusal =>
  new Refusal(rpcAnswer(status, message, details));

/** The quota of each service, and the page that it refers to when the quota is used up ("Rate limits"; "Vertex AI quotas and system limits"). */
const QUOTAS: Readonly<
  Record<Service, { readonly quotaMetric: string; readonly description: string; readonly url: string }>
> = {
  gemini: {
    quotaMetric: 'generativelanguage.googleapis.com/generate_requests_per_model',
    description: 'Learn more about Gemini API quotas',
    url: 'https://ai.google.dev/gemini-api/docs/rate-limits',
  },
  vertex: {
    quotaMetric: 'aiplatform.googleapis.com/online_prediction_requests_per_base_model',
    description: 'Vertex AI quotas and system limits',
    url: 'https://cloud.google.com/vertex-ai/docs/quotas',
  },
};

/** A 429 says in its body when to retry (`RetryInfo`). A `Retry-After` header is not documented. */
export function quotaAnswer(
  service: Service,
  message: string,
  quotaId: string,
  retryAfterSeconds: number | undefined,
): Answer {
  const { quotaMetric, description, url } = QUOTAS[service];
  return rpcAnswer('RESOURCE_EXHAUSTED', message, [
    typed('QuotaFailure', {
      violations: [{ quotaMetric, quotaId }],
    }),
    typed('Help', {
      links: [{ description, url }],
    }),
    ...(retryAfterSeconds === undefined ? [] : [typed('RetryInfo', { retryDelay: `${retryAfterSeconds}s` })]),
  ]);
}

/** The 5xx of either service. */
export function unavailableAnswer(status: number): Answer {
  const { body } =
    status === 503
      ? rpcAnswer('UNAVAILABLE', 'The service is currently unavailable.')
      : rpcAnswer('INTERNAL', 'An internal error has occurred. Please retry or report the issue.');
  return { status, body };
}

export const EXCEEDED =
  'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.';

/** Messages. Those without another source were seen by clients of the services. */
export const refusals = {
  invalid: (message: string) => refuse('INVALID_ARGUMENT', message),
  missingKey: () =>
    refuse(
      'PERMISSION_DENIED',
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    ),
  /** Not a 401: the Gemini API answers a wrong key with 400. */
  wrongKey: () =>
    refuse('INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
      errorInfo('API_KEY_INVALID', { service: 'generativelanguage.googleapis.com' }),
    ]),
  wrongToken: (reason: 'CREDENTIALS_MISSING' | 'ACCESS_TOKEN_EXPIRED' | 'ACCESS_TOKEN_TYPE_UNSUPPORTED') =>
    refuse(
      'UNAUTHENTICATED',
      'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      [errorInfo(reason, { service: 'aiplatform.googleapis.com' })],
    ),
  denied: (project: string) =>
    refuse(
      'PERMISSION_DENIED',
      `Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/${project}' (or it may not exist).`,
      [errorInfo('IAM_PERMISSION_DENIED', { permission: 'aiplatform.endpoints.predict' })],
    ),
  projectDenied: () =>
    refuse('PERMISSION_DENIED', 'Your project has been denied access. Please contact support.'),
  billing: (project: string) =>
    refuse(
      'PERMISSION_DENIED',
      `This API method requires billing to be enabled. Please enable billing on project #${project}.`,
      [errorInfo('BILLING_DISABLED', { service: 'aiplatform.googleapis.com' })],
    ),
  /** "Troubleshooting guide": free tier is not available in your country, enable billing. */
  precondition: () =>
    refuse(
      'FAILED_PRECONDITION',
      'Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.',
    ),
  quota: (service: Service, message: string, quotaId: string) =>
    new Refusal(quotaAnswer(service, message, quotaId, undefined)),
  geminiModel: (model: string) =>
    refuse(
      'NOT_FOUND',
      `models/${model} is not found for API version v1beta, or is not supported for predictLongRunning. Call ListModels to see the list of available models and their supported methods.`,
    ),
  geminiModelGone: (model: string) =>
    refuse(
      'NOT_FOUND',
      `This model models/${model} is no longer available. Please update your code to use a newer model.`,
    ),
  vertexModel: (path: string) =>
    refuse(
      'NOT_FOUND',
      `Publisher Model \`${path}\` was not found or your project does not have access to it. Please ensure you are using a valid model version.`,
    ),
  operation: (name: string) => refuse('NOT_FOUND', `Operation ${name} not found.`),
  /** The Files API answers the same for a missing file and for another account's file. */
  file: (id: string) =>
    refuse('PERMISSION_DENIED', `You do not have permission to access the File ${id} or it may not exist.`),
  /** Cloud Storage JSON API, "HTTP status and error codes". */
  object: (name: string) =>
    new Refusal({
      status: 404,
      body: {
        error: {
          code: 404,
          message: `No such object: ${name}`,
          errors: [{ message: `No such object: ${name}`, domain: 'global', reason: 'notFound' }],
        },
      },
    }),
  /** RFC 6749, section 5.2, with the messages of Google's token endpoint. */
  grant: (description: string) =>
    new Refusal({ status: 400, body: { error: 'invalid_grant', error_description: description } }),
} as const;

/** Errors of an operation. `error.code` is google.rpc.Code. */
export const OPERATION_ERRORS: Readonly<Record<number, string>> = {
  8: 'The quota of the project is exhausted. Please try again later.',
  13: 'Video generation failed due to an internal server issue. Please try again in a few minutes. If the issue persists, please contact Gemini API support.',
  14: 'The service is currently experiencing high load and cannot process your request. Please try again later.',
};

const FEEDBACK = 'If you think this was an error, send feedback.';

/** Messages of the filters, with support codes of "Responsible AI and usage guidelines for Veo". */
export const FILTERS = {
  prompt: `The prompt could not be submitted. This prompt contains words that violate Gemini API's usage guidelines. ${FEEDBACK} Support codes: 29310472`,
  input: `Veo could not generate videos because the input image violates Gemini API's usage guidelines. ${FEEDBACK} Support codes: 15236754`,
  output: `Veo could not generate 1 video(s) because they violated Gemini API's usage guidelines. ${FEEDBACK} Support codes: 58061214`,
} as const;
