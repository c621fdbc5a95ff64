/**
 * Why a task or an upstream call failed: a closed set of reasons, each with the integer code that clients see and the engine's
 * retry policy. Adapters map the errors of their upstream to these; nothing else about errors depends on the provider.
 */
export const REASONS = {
  /** The prompt, an input or the result was refused by a content filter. */
  content_rejected: { code: 400, retry: 'never' },
  /** The upstream says that the parameters are wrong. */
  invalid_request: { code: 400, retry: 'never' },
  /** The upstream's rate limit was exceeded; nothing was created. */
  rate_limited: { code: 429, retry: 'later' },
  /** The operator's balance or quota upstream is used up. Another account may still work. */
  quota_exhausted: { code: 402, retry: 'elsewhere' },
  /** The upstream refused the operator's credentials. */
  auth_failed: { code: 502, retry: 'elsewhere' },
  /** Network failure, 5xx, or an invalid answer. */
  upstream_unavailable: { code: 502, retry: 'later' },
  /** The upstream reported that this task failed. */
  upstream_failed: { code: 502, retry: 'never' },
  /** An upstream call timed out. */
  upstream_timeout: { code: 408, retry: 'later' },
  /** The task passed its deadline, or expired upstream. */
  expired: { code: 504, retry: 'never' },
  /** The services of the accounts here have ended the model since the task was accepted. Nothing was submitted. */
  model_retired: { code: 410, retry: 'never' },
  /** The video was made, but its bytes could not be fetched or were damaged. */
  result_lost: { code: 502, retry: 'never' },
  /** The upstream delivered no video, or one that cannot be converted to MP4 without loss. */
  result_unusable: { code: 502, retry: 'never' },
  /** The outcome of the submission is unknown. It was not repeated, so that nothing is billed twice. */
  submission_unknown: { code: 502, retry: 'never' },
  /** The caller cancelled the task. */
  cancelled: { code: 499, retry: 'never' },
  /** A bug in the gateway. */
  internal_error: { code: 500, retry: 'never' },
} as const satisfies Record<string, { code: number; retry: 'never' | 'later' | 'elsewhere' }>;

export type Reason = keyof typeof REASONS;

export const isReason = (word: string | undefined): word is Reason =>
  word !== undefined && Object.hasOwn(REASONS, word);

/** Why a task failed, as shown to the caller. `code` follows HTTP. */
export interface TaskError {
  readonly code: number;
  readonly reason: Reason;
  readonly message: string;
}

/** Creates the error of a task; the reason determines the code. */
export function taskError(reason: Reason, message: string): TaskError {
  return { code: REASONS[reason].code, reason, message };
}
