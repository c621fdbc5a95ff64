import type { InputRef, VideoRequest } from '../../tasks/request.ts';
import { bodyOf, type Json, type ParameterRow, withOptions } from '../mapping/body.ts';
import { readInput } from '../mapping/inputs.ts';
import type { Job } from '../provider.ts';

/** Parameters of both services ("Veo API parameters and specifications"; "Veo on Vertex AI video generation API"). */
const COMMON: readonly ParameterRow[] = [
  { from: 'aspectRatio', to: 'aspectRatio' },
  { from: 'resolution', to: 'resolution' },
  { from: 'negativePrompt', to: 'negativePrompt' },
  { from: 'personGeneration', to: 'personGeneration' },
];

/** An extension always adds seven seconds, but each service requires its own value. */
const durationRow = (ofExtension: number): ParameterRow => ({
  from: 'duration',
  to: 'durationSeconds',
  as: (duration, { source }) => (source ? ofExtension : duration),
});

/** Without `seed` and `generateAudio`, which the SDK refuses for this service. It always makes audio. */
export const GEMINI_PARAMETERS: readonly ParameterRow[] = [
  ...COMMON,
  // "Must be 8 when using extension".
  durationRow(8),
];

export const VERTEX_PARAMETERS: readonly ParameterRow[] = [
  ...COMMON,
  // "Supported durations are [7] for feature video_extension", as the service answers.
  durationRow(7),
  { from: 'generateAudio', to: 'generateAudio' },
  { from: 'seed', to: 'seed' },
];

/** Parameters that a caller cannot set, because they determine the price or where the operator's results are stored. */
const RESERVED_PARAMETERS: readonly string[] = [
  'sampleCount',
  'durationSeconds',
  'resolution',
  'generateAudio',
  'storageUri',
  'pubsubTopic',
];
/** Members of the body that only the adapter writes. */
const RESERVED: readonly string[] = ['instances', 'parameters', 'webhookConfig'];

interface BodyParts {
  readonly rows: readonly ParameterRow[];
  /** Added to every request. */
  readonly fixed: Readonly<Record<string, Json>>;
  /** The video to extend, as the service names it. */
  readonly video: Json | undefined;
}

/** The body of `predictLongRunning`: one instance, one video. */
export async function bodyFor(job: Job, { rows, fixed, video }: BodyParts): Promise<Json> {
  const { request } = job;
  const parameters = withOptions(
    bodyOf(rows, request),
    objectOf(request.providerOptions?.parameters),
    RESERVED_PARAMETERS,
  );
  return withOptions(
    { instances: [await instanceOf(job, video)], parameters: { ...parameters, ...fixed, sampleCount: 1 } },
    request.providerOptions,
    RESERVED,
  );
}

async function instanceOf(job: Job, video: Json | undefined): Promise<Json> {
  const { prompt, image, lastFrame, referenceImages = [] } = job.request;
  const references: Json[] = [];
  for (const input of referenceImages) {
    // Only Veo 2 has "style" references.
    references.push({ image: await imageOf(job, input), referenceType: 'asset' });
  }
  return {
    prompt,
    ...(image ? { image: await imageOf(job, image) } : {}),
    ...(lastFrame ? { lastFrame: await imageOf(job, lastFrame) } : {}),
    ...(references.length > 0 ? { referenceImages: references } : {}),
    ...(video === undefined ? {} : { video }),
  };
}

/** Both services take the bytes as base64. The `inlineData` of the Gemini API's REST samples is another form of the same. */
async function imageOf(job: Job, input: InputRef): Promise<Json> {
  return {
    bytesBase64Encoded: (await readInput(job, input)).toString('base64'),
    mimeType: input.contentType,
  };
}

const objectOf = (value: unknown): VideoRequest['providerOptions'] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
