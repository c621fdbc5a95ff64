/**
 * The simulator's behaviour where Google documents nothing for Veo. None of it was seen on the wire. An adapter should not depend
 * on any of it.
 */
export const ASSUMPTIONS = {
  /** Submissions a minute and model on the Gemini API. The real limit depends on the usage tier. */
  geminiRequestsPerMinute: 10,
  /** How long an operation can be polled: as long as its video is kept. Milliseconds. */
  operationKeptMs: 2 * 24 * 3_600_000,
  /** `expires_in` of an access token, in milliseconds of the client's time, because the client caches it by its own clock. */
  tokenLifeMs: 3_600_000,
  /** `error.code` of an operation that timed out. Seen as 14 under "high load". */
  expiredCode: 14,
} as const;

/** "Generated videos are stored on the server for 2 days" (Gemini API, Veo, limitations). Milliseconds. */
export const FILE_KEPT_MS = 2 * 24 * 3_600_000;

/** Vertex AI quotas: 50 requests a minute for a base model and region. */
export const VERTEX_REQUESTS_PER_MINUTE = 50;
