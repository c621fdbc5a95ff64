import { z } from 'zod';
import { excerpt, type Scrub, wordsForCaller } from '../http/secrets.ts';
import { failureWords } from '../mapping/errorTable.ts';
import { type Answer, UpstreamError } from '../provider.ts';
import { codeName, FAILURES } from './errors.ts';

/** What a result is called whose bytes stand in the operation itself: they are read out of it when they are fetched. */
export const INLINE = 'inline';

const text = z.string().optional().catch(undefined);
const Video = z.object({ uri: text, gcsUri: text }).catch({});
const Response = z.object({
  /** Vertex AI. */
  videos: z.array(Video).optional().catch(undefined),
  /** Gemini API. */
  generatedSamples: z
    .array(z.object({ video: Video.optional() }))
    .optional()
    .catch(undefined),
  raiMediaFilteredCount: z.number().optional().catch(undefined),
  raiMediaFilteredReasons: z.array(z.string()).optional().catch(undefined),
});
const Operation = z.object({
  name: text,
  done: z.boolean().optional().catch(undefined),
  error: z.object({ code: z.number().optional().catch(undefined), message: text }).optional(),
  response: Response.extend({ generateVideoResponse: Response.optional().catch(undefined) }).optional(),
});

/**
 * What an operation says (google.longrunning.Operation; there is neither progress nor a difference between waiting and
 * running). `expiresAt`: until when the upstream keeps the video, milliseconds UTC.
 */
export function answerOf(operation: unknown, expiresAt: number | undefined, scrub: Scrub): Answer {
  const parsed = Operation.safeParse(operation);
  if (!parsed.success || (parsed.data.name === undefined && parsed.data.done === undefined)) {
    throw new UpstreamError('upstream_unavailable', {
      detail: `an answer that is no operation: ${excerpt(JSON.stringify(operation) ?? 'nothing', scrub)}`,
    });
  }
  const { done, error, response } = parsed.data;
  if (!done) return { state: 'in_progress' };
  if (error) {
    const { code, message } = error;
    const refusal = { code: codeName(code), ...(message === undefined ? {} : { message: scrub(message) }) };
    return { state: 'failed', ...failureWords(FAILURES, refusal) };
  }
  const told = { ...response, ...response?.generateVideoResponse };
  const [video] = [
    ...(told.videos ?? []),
    ...(told.generatedSamples ?? []).flatMap((sample) => sample.video ?? []),
  ];
  const ref = video?.uri ?? video?.gcsUri;
  return ref === undefined ? withoutVideo(told) : succeeded(ref, expiresAt);
}

/** A finished job whose video is at `ref`. */
export function succeeded(ref: string, expiresAt: number | undefined): Answer {
  return { state: 'succeeded', result: { ref, ...(expiresAt === undefined ? {} : { expiresAt }) } };
}

/** Done, and no video: the filters took it, and say so in a success. Google does not charge for it. */
function withoutVideo({
  raiMediaFilteredCount: count = 0,
  raiMediaFilteredReasons: reasons = [],
}: z.infer<typeof Response>): Answer {
  if (count === 0 && reasons.length === 0) {
    const message = 'The upstream provider finished the task without a video.';
    return {
      state: 'failed',
      reason: 'upstream_failed',
      message,
      detail: 'done without a video or a reason',
    };
  }
  const words = reasons.join(' ');
  return {
    state: 'failed',
    reason: 'content_rejected',
    message: wordsForCaller(words) || "The provider's content filter removed the video.",
    detail: `filtered ${count}: ${words}`,
  };
}
