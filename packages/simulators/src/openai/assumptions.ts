/**
 * The simulator's behaviour where OpenAI documents nothing for videos. None of it was seen on the wire. An adapter should not depend
 * on any of it.
 */
export const ASSUMPTIONS = {
  /** `GET /videos/{id}/content` before the job is done. */
  contentNotReady: {
    status: 404,
    message: 'Video is not ready yet, use GET /v1/videos/{video_id} to check status.',
  },
  /** … of a job that failed. */
  contentOfFailed: { status: 404, message: 'Video generation failed; there is no content.' },
  /** … after `expires_at`. */
  contentExpired: { status: 404, message: 'Video content has expired.' },
  /** `DELETE` of a job that is not over. The reference says "completed or failed video". */
  deleteUnfinished: {
    status: 400,
    message:
      'Video cannot be deleted while it is in progress. Only completed or failed videos can be deleted.',
  },
  /** An unknown id, or one of another project. */
  videoNotFound: { status: 404, message: (id: string) => `Video with id '${id}' not found.` },
  /** A source video that is not completed, for remix, edit and extension. */
  sourceNotReady: { status: 400, message: 'The source video must be completed.' },
  /** Moderation at the creation. The code is documented for other media. */
  moderationAtCreate: { status: 400, code: 'moderation_blocked' },
  /** `Retry-After` on a 429 is documented for other endpoints. */
  retryAfterOnRateLimit: true,
  /** `progress` of a failed job. */
  progressOfFailed: 0,
  /** Results are kept for "up to one hour" (guide). Milliseconds. */
  contentKeptMs: 3_600_000,
  /** The default number of videos on a page of the list, as in OpenAI's other lists. */
  listLimit: 20,
  /** The list of a server that has none. */
  noList: { status: 405, message: 'Method Not Allowed' },
  /** The largest upload, for edits and characters. No limit is documented. Bytes. */
  largestUpload: 512 * 1024 * 1024,
  /** The pauses of a webhook's retries: "exponential backoff, up to 72 hours" (webhooks guide). Milliseconds. */
  webhookRetryMs: backoff(5_000, 6 * 3_600_000, 72 * 3_600_000),
  /** The time limit of a receiver ("a few seconds"). Milliseconds. */
  webhookTimeoutMs: 10_000,
} as const;

function backoff(first: number, longest: number, total: number): readonly number[] {
  const pauses: number[] = [];
  let sum = 0;
  for (let pause = first; sum + pause <= total; pause = Math.min(longest, pause * 2)) {
    pauses.push(pause);
    sum += pause;
  }
  return pauses;
}
