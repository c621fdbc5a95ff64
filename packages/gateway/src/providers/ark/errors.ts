import type { ErrorRow, UpstreamRefusal } from '../mapping/errorTable.ts';
import { UpstreamError } from '../provider.ts';

/**
 * Ark's refusals of calls and the errors of failed tasks. Source: "Error codes" of Volcengine Ark and BytePlus ModelArk. A 404
 * that the table does not name and any 5xx have their HTTP meaning.
 */
export const ERRORS: readonly ErrorRow[] = [
  // `InputTextSensitiveContentDetected`, `OutputVideoSensitiveContentDetected.PolicyViolation`, … and the older spelling.
  { code: /SensitiveContentDetected(?:\.|$)/, reason: 'content_rejected' },
  { code: /RiskDetection$/, reason: 'content_rejected' },
  // "The risk identification product failed": nothing is wrong with the content.
  { code: 'ContentSecurityDetectionError', reason: 'upstream_unavailable' },

  { code: 'AuthenticationError', reason: 'auth_failed' },
  { code: 'InvalidAccountStatus', reason: 'auth_failed' },
  { code: 'AccessDenied', reason: 'auth_failed' },

  { code: 'AccountOverdueError', reason: 'quota_exhausted' },
  { code: 'OperationDenied.ServiceOverdue', reason: 'quota_exhausted' },
  { code: 'InvalidSubscription', reason: 'quota_exhausted' },
  { code: 'SetLimitExceeded', reason: 'quota_exhausted' },
  // One code for three cases. "The number of queued tasks exceeds the limit, try again later" passes. A used-up free trial and a
  // used-up plan do not.
  { code: /^QuotaExceeded/, message: /request has exceeded the quota/i, reason: 'rate_limited' },
  { code: /^QuotaExceeded/, reason: 'quota_exhausted' },

  // The account may not use the model, or not by this name. Another account may.
  { code: 'ModelNotOpen', reason: 'auth_failed' },
  { code: /^InvalidEndpointOrModel\./, reason: 'auth_failed' },
  { code: 'UnsupportedModel', reason: 'auth_failed' },
  { code: /^OperationDenied\./, reason: 'auth_failed' },
  // "Closed or temporarily unavailable, try again later."
  { code: 'InvalidEndpoint.ClosedEndpoint', reason: 'upstream_unavailable' },

  { code: /RateLimitExceeded(?:\.|$)/, reason: 'rate_limited' },
  { code: 'ServerOverloaded', reason: 'rate_limited' },
  { code: 'RequestBurstTooFast', reason: 'rate_limited' },
  { code: 'InflightBatchsizeExceeded', reason: 'rate_limited' },

  { code: /^(?:Invalid|Missing)Parameter(?:\.|$)/, reason: 'invalid_request' },
  { code: /^InvalidImageURL(?:\.|$)/, reason: 'invalid_request' },
  { code: /^InvalidArgumentError(?:\.|$)/, reason: 'invalid_request' },
  { code: 'OutofContextError', reason: 'invalid_request' },
];

/** "The specified resource is not found": the answer for an unknown id, or one older than seven days. */
const UNKNOWN_TASK = /^(?:ResourceNotFound|NotFound(?:\..+)?)$/;

/** Whether Ark does not know the task. */
export const isUnknownTask = (error: unknown): boolean => UNKNOWN_TASK.test(codeOf(error) ?? '');

/** Whether Ark refused a `DELETE` because the task has begun to run (409). */
export const isTaskRunning = (error: unknown): boolean =>
  codeOf(error) === 'InvalidAction.RunningTaskDeletion';

/** `refusalError` keeps Ark's code in `cause`. */
const codeOf = (error: unknown): string | undefined =>
  error instanceof UpstreamError && typeof error.cause === 'string' ? error.cause : undefined;

/** What an error body says: `{"error": {code, message, param, type}}`. */
export function refusalOf(body: unknown): UpstreamRefusal {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return {
    ...textMember(error, 'code'),
    ...textMember(error, 'message'),
  };
}

function textMember<N extends 'code' | 'message'>(value: unknown, name: N): { [M in N]?: string } {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  return typeof found === 'string' ? ({ [name]: found } as { [M in N]?: string }) : {};
}
