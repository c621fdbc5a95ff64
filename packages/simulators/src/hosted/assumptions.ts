/**
 * The simulators' behaviour where the documentation of xAI, MiniMax, fal and Replicate says nothing. An adapter should not depend on
 * any of it. Times are milliseconds. Durations of jobs are an interpretation of the quoted words.
 */
export const ASSUMPTIONS = {
  xai: {
    /** "Rate limits" refers to the console for the numbers. Others report sixty a minute for video. */
    requestsPerMinute: 60,
    /** How long a "temporary" link lasts. */
    keptMs: 3_600_000,
    /** "Up to several minutes". */
    pace: { queueMs: 2_000, runMs: 45_000, sigma: 0.4 },
  },
  minimax: {
    /** An unknown id, or one of another account. */
    taskNotFound: { status: 404, type: 'not_found_error', message: 'task not found' },
    /** How long a "time-limited" link lasts. Nine hours are documented for the older video API. */
    keptMs: 9 * 3_600_000,
    /** "One to five minutes". */
    pace: { queueMs: 5_000, runMs: 120_000, sigma: 0.4 },
  },
  fal: {
    /** Results are kept for "at least" this. */
    keptMs: 7 * 24 * 3_600_000,
    /** The result of a cancelled request. Status and type are documented, but not the message. */
    cancelled: { status: 499, type: 'client_cancelled', detail: 'Request was cancelled' },
    pace: { queueMs: 3_000, runMs: 60_000, sigma: 0.4 },
  },
  replicate: {
    /** Models choose their own error messages. The official ones were seen to write E005. */
    failures: {
      moderation:
        'The input or output was flagged as sensitive. Please try again with different inputs. (E005)',
      internal: 'Prediction failed: an internal error occurred. (E004)',
      invalid: 'Prediction failed: the input is invalid. (E006)',
    },
    /** A cursor that names no prediction. */
    badCursor: { status: 400, title: 'Bad request', detail: 'Invalid cursor' },
    pace: { queueMs: 3_000, runMs: 60_000, sigma: 0.4 },
  },
} as const;
