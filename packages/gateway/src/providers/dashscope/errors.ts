import type { Reason } from '../../tasks/reasons.ts';
import { type ErrorRow, refusalError, type UpstreamRefusal } from '../mapping/errorTable.ts';
import type { UpstreamError } from '../provider.ts';

/** One documented error: the HTTP status that belongs to it, also where it hides in a 200. */
type Documented = Omit<ErrorRow, 'status'> & { readonly status: number; readonly reason: Reason };

/**
 * "Error messages" (Model Studio), the ones that videos can meet, the particular before the general. Codes of the
 * OpenAI-compatible front (`invalid_api_key`) are the same errors; a workspace host may answer with either.
 */
const DOCUMENTED: readonly Documented[] = [
  // The media could not be fetched for the check: that is no verdict on their content.
  { status: 400, code: 'InvalidParameter.DataInspection', reason: 'invalid_request' },
  { status: 400, code: /^(?:DataInspection(?:Failed)?|data_inspection_failed)$/, reason: 'content_rejected' },
  { status: 400, code: 'IPInfringementSuspect', reason: 'content_rejected' },
  // Also told without a code, by tasks that failed.
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

/** Reasons of calls that were refused. A code counts whatever the status is that it comes with. */
export const CALL_ERRORS: readonly ErrorRow[] = DOCUMENTED.map(({ status: _, ...row }) => row);

/** Reasons of tasks that failed: an internal error there is the end of this task, and not of a call. */
export const TASK_ERRORS: readonly ErrorRow[] = [
  {
    code: /^(?:InternalError|SystemError|Model(?:Unavailable|ServingError)|ServiceUnavailable)/,
    reason: 'upstream_failed',
  },
  ...CALL_ERRORS,
];

/** What a body says of why a call was refused: `{code, message}`, or inside `error` or `output`. */
export function refusalOf(body: unknown): UpstreamRefusal {
  const { code, message, error, output } = fieldsOf(body);
  const inner = [fieldsOf(error), fieldsOf(output)].find((fields) => fields.code !== undefined);
  return {
    ...textOf('code', code ?? inner?.code),
    ...textOf('message', message ?? inner?.message),
  };
}

/** The error of a refusal that came with status 200. One that is not documented may stand for anything. */
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
