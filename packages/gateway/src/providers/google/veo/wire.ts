import { z } from 'zod';
import { excerpt, type Scrub, wordsForCaller } from '../../http/secrets.ts';
import { errorSaid } from '../../mapping/errorSaid.ts';
import { failureWords } from '../../mapping/errorTable.ts';
import { type Answer, UpstreamError } from '../../provider.ts';
import { NOTHING_MADE } from '../answers.ts';
import { codeName, FAILURES } from '../errors.ts';

/** The reference of a result whose bytes are inside the operation. They are read from it when they are downloaded. */
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
  error: z.unknown().optional(),
  response: Response.extend({ generateVideoResponse: Response.optional().catch(undefined) }).optional(),
});

/**
 * Reads an operation (google.longrunning.Operation). It has no progress and does not tell waiting from running. Its metadata has no times
 * either: `PredictLongRunningMetadata` is an empty message at both services (google/ai/generativelanguage/v1beta/prediction_service.proto,
 * google/cloud/aiplatform/v1beta1/prediction_service.proto). `expiresAt`: until when the upstream keeps the video, milliseconds UTC.
 */
export function answerOf(operation: unknown, expiresAt: number | undefined, scrub: Scrub): Answer {
  const parsed = Operation.safeParse(operation);
  if (!parsed.success || (parsed.data.name === undefined && parsed.data.done === undefined)) {
    throw new UpstreamError('upstream_unavailable', {
      detail: `an answer that is not an operation: ${excerpt(JSON.stringify(operation) ?? 'nothing', scrub)}`,
    });
  }
  const { done, error, response } = parsed.data;
  if (!done) return { state: 'in_progress' };
  if (error) {
    const said = errorSaid(error, scrub);
    return { state: 'failed', ...failureWords(FAILURES, { ...said, code: codeName(said.code) }) };
  }
  const told = { ...response, ...response?.generateVideoResponse };
  const [video] = [
    ...(told.videos ?? []),
    ...(told.generatedSamples ?? []).flatMap((sample) => sample.video ?? []),
  ];
  const ref = video?.uri ?? video?.gcsUri;
  return ref === undefined ? withoutVideo(told, scrub) : succeeded(ref, expiresAt);
}

/** A finished job whose video is at `ref`. */
export function succeeded(ref: string, expiresAt: number | undefined): Answer {
  return { state: 'succeeded', result: { ref, ...(expiresAt === undefined ? {} : { expiresAt }) } };
}

/** Done without a video. If the filters removed it, the success says so, and Google does not charge for it. */
function withoutVideo(
  { raiMediaFilteredCount: count = 0, raiMediaFilteredReasons: reasons = [] }: z.infer<typeof Response>,
  scrub: Scrub,
): Answer {
  if (count === 0 && reasons.length === 0) return NOTHING_MADE;
  const words = scrub(reasons.join(' '));
  return {
    state: 'failed',
    reason: 'content_rejected',
    message: wordsForCaller(words) || "The provider's content filter removed the video.",
    detail: `filtered ${count}: ${words}`,
  };
}
