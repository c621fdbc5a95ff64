/**
 * What Google does not document for Veo, and what the simulator does there. Nothing here was seen on the wire: an adapter should
 * not depend on any of it.
 */
export const ASSUMPTIONS = {
  /** Submits a minute and model on the Gemini API; the real figure depends on the usage tier. */
  geminiRequestsPerMinute: 10,
  /** How long an operation can be asked about: as long as its video is kept. Milliseconds. */
  operationKeptMs: 2 * 24 * 3_600_000,
  /** `expires_in` of an access token, milliseconds of the client's time: it caches the token by its own clock. */
  tokenLifeMs: 3_600_000,
  /** `error.code` of an operation that ran out of time; seen as 14 under "high load". */
  expiredCode: 14,
} as const;

/** "Generated videos are stored on the server for 2 days" (Gemini API, Veo, limitations). Milliseconds. */
export const FILE_KEPT_MS = 2 * 24 * 3_600_000;

/** Vertex AI quotas: 50 requests a minute for a base model and region. */
export const VERTEX_REQUESTS_PER_MINUTE = 50;
