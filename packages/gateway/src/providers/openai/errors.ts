import { z } from 'zod';
import type { ErrorRow } from '../http/errorTable.ts';

/**
 * Refusals and failures. OpenAI types no error response of the videos endpoints; the codes are those of "Error codes" and of
 * Azure's "Content filtering", and those that others saw in failed jobs (`moderation_blocked`, `video_generation_failed`,
 * `processing_error`).
 */
export const ERRORS: readonly ErrorRow[] = [
  { code: 'moderation_blocked', reason: 'content_rejected' },
  { code: 'content_policy_violation', reason: 'content_rejected' },
  { code: 'content_filter', reason: 'content_rejected' },
  { status: 400, message: /\b(moderation|safety) system\b/i, reason: 'content_rejected' },
  { code: 'insufficient_quota', reason: 'quota_exhausted' },
  { code: 'billing_hard_limit_reached', reason: 'quota_exhausted' },
  { code: 'billing_not_active', reason: 'quota_exhausted' },
  { code: 'rate_limit_exceeded', reason: 'rate_limited' },
  { code: 'invalid_api_key', reason: 'auth_failed' },
  // "Does not exist or you do not have access to it": this account's model name is wrong, its credentials are not.
  { code: 'model_not_found', reason: 'invalid_request' },
  { code: 'video_generation_failed', reason: 'upstream_failed' },
  { code: 'processing_error', reason: 'upstream_failed' },
  {
    code: /^(invalid_|unsupported_value|unknown_parameter|missing_required_parameter)/,
    status: 400,
    reason: 'invalid_request',
  },
];

/** An error that stands where an answer should be, or in the body of a refusal. `detail` is FastAPI's, which vLLM-Omni and SGLang use. */
export const ErrorBody = z.object({
  code: z.union([z.string(), z.number()]).nullish().catch(undefined),
  message: z.string().nullish().catch(undefined),
  detail: z.unknown().optional(),
});
