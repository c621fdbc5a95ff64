import { pace } from '../core/jobs/job.ts';

/**
 * The simulators' behaviour where the documentation of xAI, MiniMax, fal and Replicate says nothing. An adapter should not depend on
 * any of it. Times are milliseconds, those of jobs seconds.
 */
export const ASSUMPTIONS = {
  xai: {
    /** "Rate limits" refers to the console for the numbers. Others report sixty a minute for video. */
    requestsPerMinute: 60,
    /** How long a "temporary" link lasts. */
    keptMs: 3_600_000,
    /** "Up to several minutes". */
    pace: pace(45, 180),
  },
  minimax: {
    /** An unknown id, or one of another account. */
    taskNotFound: { status: 404, type: 'not_found_error', message: 'task not found' },
    /** How long a "time-limited" link lasts. Nine hours are documented for the older video API. */
    keptMs: 9 * 3_600_000,
    /** "One to five minutes". */
    pace: pace(120, 300),
  },
  fal: {
    /** Results are kept for "at least" this. */
    keptMs: 7 * 24 * 3_600_000,
    /** The result of a cancelled request. Status and type are documented, but not the message. */
    cancelled: { status: 499, type: 'client_cancelled', detail: 'Request was cancelled' },
    pace: pace(90, 240),
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
    pace: pace(90, 300),
  },
} as const;
