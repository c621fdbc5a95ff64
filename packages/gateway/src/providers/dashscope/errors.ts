import type { Reason } from '../../tasks/reasons.ts';
import { type ErrorRow, refusalError, type UpstreamRefusal } from '../mapping/errorTable.ts';
import type { UpstreamError } from '../provider.ts';

/** One documented error, with the HTTP status that belongs to it even if it comes in a 200. */
type Documented = Omit<ErrorRow, 'status'> & { readonly status: number; readonly reason: Reason };

/**
 * "Error messages" (Model Studio), as far as they concern videos. Specific rows come before general ones. The codes of the
 * OpenAI-compatible endpoint (`invalid_api_key`) name the same errors. A workspace host may answer with either.
 */
const DOCUMENTED: readonly Documented[] = [
  // The media could not be fetched for the check, which says nothing about their content.
  { status: 400, code: 'InvalidParameter.DataInspection', reason: 'invalid_request' },
  { status: 400, code: /^(?:DataInspection(?:Failed)?|data_inspection_failed)$/, reason: 'content_rejected' },
  { status: 400, code: 'IPInfringementSuspect', reason: 'content_rejected' },
  // Failed tasks may have the message without a code.
  { status: 400, message: /Green net check|inappropriate content/i, reason: 'content_rejected' },

  { status: 401, code: /^(?:InvalidApiKey|invalid_api_key)$/, reason: 'auth_failed' },
  { status: 403, code: /^(?:Model\.)?AccessDenied(?:\.|$)|^access_denied$/, reason: 'auth_failed' },
  // "The model does not exist or you do not have access to it": another region, or another account, may have it.
  { status: 404, code: /^(?:ModelNotFound|model_not_found|model_not_supported)$/, reason: 'auth_failed' },
  { status: 400, code: 'InvalidParameter', message: /^Model not exist/i, reason: 'auth_failed' },

  { status: 400, code: 'Arrearage', reason: 'quota_exhausted' },
  { status: 403, code: 'AllocationQuota.FreeTierOnly', reason: 'quota_exhausted' },
  { status: 429, code: /^P(?:re|ost)paidBillOverdue$/, reason: 'quota_exhausted' },
  { status: 429, code: /^(?:CommodityNotPurchased|BudgetLimitExceeded)$/, reason: 'quota_exhausted' },
  {
    status: 429,
    code: /^(?:Throttling\.AllocationQuota|insufficient_quota)$/,
    message: /free (?:allocated )?quota/i,
    reason: 'quota_exhausted',
  },
  {
    status: 429,
    code: /^Throttling(?:\.|$)|^(?:limit_requests|limit_burst_rate|insufficient_quota)$/,
    reason: 'rate_limited',
  },

  { status: 400, code: /^Invalid(?:Parameter|URL|Request|Schema)/, reason: 'invalid_request' },
  { status: 400, code: /^(?:BadRequest|MissingParameter|UnsupportedOperation)/, reason: 'invalid_request' },
  { status: 400, code: 'invalid_parameter_error', reason: 'invalid_request' },

  { status: 500, code: 'InternalError.Timeout', reason: 'upstream_timeout' },
  { status: 500, code: /^(?:InternalError|SystemError|internal_error)/, reason: 'upstream_unavailable' },
  {
    status: 503,
    code: /^ModelUnavailable|^ServiceUnavailable|^ModelServingError/,
    reason: 'upstream_unavailable',
  },
];

/** Reasons of refused calls. A code counts whatever status it comes with. */
export const CALL_ERRORS: readonly ErrorRow[] = DOCUMENTED.map(({ status: _, ...row }) => row);

/** Reasons of failed tasks. An internal error in a task means that the task has failed, not that the service is unavailable. */
export const TASK_ERRORS: readonly ErrorRow[] = [
  {
    code: /^(?:InternalError|SystemError|Model(?:Unavailable|ServingError)|ServiceUnavailable)/,
    reason: 'upstream_failed',
  },
  ...CALL_ERRORS,
];

/** Reads why a call was refused: `{code, message}` in the body itself, or in its `error` or `output`. */
export function refusalOf(body: unknown): UpstreamRefusal {
  const { code, message, error, output } = fieldsOf(body);
  const inner = [fieldsOf(error), fieldsOf(output)].find((fields) => fields.code !== undefined);
  return {
    ...textOf('code', code ?? inner?.code),
    ...textOf('message', message ?? inner?.message),
  };
}

/** The error of a refusal that came with status 200. An undocumented one has an unknown outcome. */
export function hiddenError(refusal: UpstreamRefusal): UpstreamError {
  const { code = '', message = '' } = refusal;
  const known = DOCUMENTED.find(
    (row) =>
      (row.code === undefined || (typeof row.code === 'string' ? row.code === code : row.code.test(code))) &&
      (row.message?.test(message) ?? true),
  );
  return refusalError(CALL_ERRORS, known ? { ...refusal, status: known.status } : refusal);
}

type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const textOf = <N extends string>(name: N, value: unknown): { [K in N]?: string } =>
  typeof value === 'string' && value !== '' ? ({ [name]: value } as { [K in N]?: string }) : {};
