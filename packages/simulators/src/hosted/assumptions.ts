/**
 * What the documents of xAI, MiniMax, fal and Replicate leave open, and what their stand-ins do there: an adapter should not
 * depend on any of it. Times are milliseconds, and how long jobs take is our reading of the words in quotes.
 */
export const ASSUMPTIONS = {
  xai: {
    /** "Rate limits" leaves the numbers to the console; sixty a minute is what others report for video. */
    requestsPerMinute: 60,
    /** How long a "temporary" link lasts. */
    keptMs: 3_600_000,
    /** "Up to several minutes". */
    pace: { queueMs: 2_000, runMs: 45_000, sigma: 0.4 },
  },
  minimax: {
    /** An id that is not there, or another account's. */
    taskNotFound: { status: 404, type: 'not_found_error', message: 'task not found' },
    /** How long a "time-limited" link lasts; nine hours are documented for the older video API. */
    keptMs: 9 * 3_600_000,
    /** "One to five minutes". */
    pace: { queueMs: 5_000, runMs: 120_000, sigma: 0.4 },
  },
  fal: {
    /** Results are kept for "at least" this. */
    keptMs: 7 * 24 * 3_600_000,
    /** The result of a cancelled request: status and type are documented, the message is not. */
    cancelled: { status: 499, type: 'client_cancelled', detail: 'Request was cancelled' },
    pace: { queueMs: 3_000, runMs: 60_000, sigma: 0.4 },
  },
  replicate: {
    /** How models say that they failed is their own affair; E005 is what the official ones were seen to write. */
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
