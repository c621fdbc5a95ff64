/**
 * Why a task or a call upstream failed: a closed set of words, each with the integer code a client sees and what
 * the engine may do about it. Adapters map their upstream's own errors to these; nothing else is decided per provider.
 */
export const REASONS = {
  /** The prompt, an input or the result was refused by a content filter. */
  content_rejected: { code: 400, retry: 'never' },
  /** The upstream says that the parameters are wrong. */
  invalid_request: { code: 400, retry: 'never' },
  /** The upstream asks to slow down; nothing was created. */
  rate_limited: { code: 429, retry: 'later' },
  /** The operator's balance or quota upstream is used up: another account may still serve. */
  quota_exhausted: { code: 402, retry: 'elsewhere' },
  /** The upstream refused the operator's credentials. */
  auth_failed: { code: 502, retry: 'elsewhere' },
  /** Network failure, 5xx, or an answer that cannot be read. */
  upstream_unavailable: { code: 502, retry: 'later' },
  /** The upstream reported a failure of its own for this very task. */
  upstream_failed: { code: 502, retry: 'never' },
  /** No answer within the time allowed for one call upstream. */
  upstream_timeout: { code: 408, retry: 'later' },
  /** The task passed its deadline, or the upstream says that it expired there. */
  expired: { code: 504, retry: 'never' },
  /** The video was made, but its bytes could not be fetched or were damaged. */
  result_lost: { code: 502, retry: 'never' },
  /** The upstream delivered something that is no video, or none that can be given as an MP4 without loss. */
  result_unusable: { code: 502, retry: 'never' },
  /** The submission's outcome could not be established; it was not repeated, so that it cannot be billed twice. */
  submission_unknown: { code: 502, retry: 'never' },
  /** The caller cancelled the task. */
  cancelled: { code: 499, retry: 'never' },
  /** A defect of ours. */
  internal_error: { code: 500, retry: 'never' },
} as const satisfies Record<string, { code: number; retry: 'never' | 'later' | 'elsewhere' }>;

export type Reason = keyof typeof REASONS;

export const isReason = (word: string | undefined): word is Reason =>
  word !== undefined && Object.hasOwn(REASONS, word);

/** What ended a task badly, in the words a caller may read. `code` follows HTTP (see API.md, "Query"). */
export interface TaskError {
  readonly code: number;
  readonly reason: Reason;
  readonly message: string;
}

/** Builds a task's error; the code follows from the reason. */
export function taskError(reason: Reason, message: string): TaskError {
  return { code: REASONS[reason].code, reason, message };
}
