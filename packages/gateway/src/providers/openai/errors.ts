import type { ParameterRow } from '../http/body.ts';
import type { ErrorRow } from '../http/errorTable.ts';
import type { StatusTable } from '../http/statusTable.ts';

/** openapi.yaml, VideoResource `status`; vLLM-Omni and SGLang Diffusion have the same four words. */
export const STATUSES: StatusTable = {
  queued: 'queued',
  in_progress: 'in_progress',
  completed: 'succeeded',
  failed: 'failed',
};

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

/**
 * openapi.yaml, CreateVideoMultipartBody: `seconds` is text. `negative_prompt` and `seed` are vLLM-Omni's and SGLang's, and
 * in a request only where the catalogue says that the model takes them.
 */
export const PARAMETERS: readonly ParameterRow[] = [
  { from: 'prompt', to: 'prompt' },
  { from: 'duration', to: 'seconds', as: String },
  { from: 'width', to: 'size', as: (width, { height }) => `${width}x${height}` },
  { from: 'negativePrompt', to: 'negative_prompt' },
  { from: 'seed', to: 'seed' },
];

/** What starts from a video that is there, and the parameters that it takes beside `video` (openapi.yaml, …RemixBody, …EditBody, …ExtendBody). */
export const OPERATIONS = {
  remix: ['prompt'],
  edit: ['prompt'],
  extend: ['prompt', 'seconds'],
} as const;
export type Operation = keyof typeof OPERATIONS;

/** The member of `provider_options` that chooses among them; ours, never sent. */
export const OPERATION_OPTION = 'operation';

/** What a caller's `provider_options` must not reach: what is paid for, what was checked already, and the member that is ours. */
export const RESERVED: readonly string[] = [
  'model',
  'prompt',
  'seconds',
  'size',
  'input_reference',
  'video',
  OPERATION_OPTION,
];
