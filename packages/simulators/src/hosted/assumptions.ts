import { pace } from '../core/jobs/job.ts';

/**
 * The simulators' behaviour where the documentation of xAI, MiniMax, fal, Replicate, Kling, Runway, Luma and Vidu says nothing. An adapter should not depend on
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
  runway: {
    /** The error of an account without credits. Only that it is a 400 has been reported. */
    noCredits: 'You do not have enough credits to run this task.',
    /** "Too many requests within a period of time", though `rw-api-reference` says that there is no limit by the minute. */
    rate: { requests: 100, perMs: 60_000 },
  },
  ltx: {
    /** "Requests in a time window" are limited; the number is not published. */
    rate: { requests: 60, perMs: 60_000 },
    /** The `Retry-After` of an account that has as many jobs as it may. */
    retrySeconds: 10,
    /** 24 seconds for a clip of ten, as LTX measured its own API with Fast. */
    pace: pace(25, 60),
    /** For Pro no time is published. */
    proPace: pace(60, 150),
  },
  pixverse: {
    /** "Depends on the plan." */
    concurrency: 5,
    /** The code of an account without credits. Only its words have been reported. */
    noCredits: 500090,
    /** How long a link lasts. */
    keptMs: 24 * 3_600_000,
    pace: pace(90, 240),
  },
  comfyui: {
    /** "Under 9 minutes on a single consumer-grade GPU" for 5 s at 720p (Wan-Video/Wan2.2, README). */
    pace: pace(300, 540, 0.01),
  },
  luma: {
    /** "Rate Limits" depend on the plan. */
    concurrency: 20,
    rate: { requests: 60, perMs: 60_000 },
    /** The error of an account without credits, as clients have reported it. */
    noCredits: 'Insufficient credits',
    /** How long links last. */
    keptMs: 24 * 3_600_000,
    /** "Typically 30 to 60 seconds for 5 s", say those who resell it; more in 1080p. */
    pace: pace(60, 180),
  },
  vidu: {
    /** "Exceeded concurrency limit. Please contact support." */
    concurrency: 20,
    rate: { requests: 120, perMs: 60_000 },
    /** A callback that was not received is repeated. Neither how often nor when is documented here. */
    callback: { retryMs: [60_000, 300_000], timeoutMs: 10_000 },
    /** Nothing is documented; about what others take. */
    pace: pace(120, 300),
  },
  kling: {
    /** "Depends on the resource pack." */
    concurrency: 20,
    requestsPerSecond: 20,
    /** A callback that was not received is repeated. Neither how often nor when is documented. */
    retryMs: [60_000, 300_000],
    timeoutMs: 10_000,
    /** "Two to five minutes", say those who resell it. */
    pace: pace(150, 360),
  },
} as const;
