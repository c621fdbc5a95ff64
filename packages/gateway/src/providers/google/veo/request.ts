import type { InputRef, VideoRequest } from '../../../tasks/request.ts';
import {
  bodyOf,
  type Json,
  type OptionRules,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../../mapping/body.ts';
import { onlyImages, readInput } from '../../mapping/inputs.ts';
import type { Job } from '../../provider.ts';

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
/** The same, and members of the body that only the adapter writes. */
const RESERVED: readonly string[] = [
  'instances',
  'webhookConfig',
  ...RESERVED_PARAMETERS.map((name) => `parameters.${name}`),
];

interface BodyParts extends Parameters {
  /** The video to extend, as the service names it. */
  readonly video: Json | undefined;
}

/** What a service takes of a request. */
interface Parameters {
  readonly rows: readonly ParameterRow[];
  /** Added to every request. */
  readonly fixed: Readonly<Record<string, Json>>;
}

/** The parameters of a request, and what its options may not set. */
const rulesOf = (request: VideoRequest, { rows, fixed }: Parameters): OptionRules => ({
  own: { parameters: { ...bodyOf(rows, request), ...fixed, sampleCount: 1 } },
  reserved: RESERVED,
});

/** See `Provider.refusedOptions`. */
export const refusedOf = (request: VideoRequest, parameters: Parameters): string[] =>
  refusedOptions(rulesOf(request, parameters), request.providerOptions);

/** The body of `predictLongRunning`: one instance, one video. */
export async function bodyFor(job: Job, { video, ...parameters }: BodyParts): Promise<Json> {
  const body = withOptions(rulesOf(job.request, parameters), job.request.providerOptions);
  return { ...body, instances: [await instanceOf(job, video)] };
}

async function instanceOf(job: Job, video: Json | undefined): Promise<Json> {
  const { prompt, image, lastFrame } = job.request;
  const references: Json[] = [];
  for (const input of onlyImages(job.request)) {
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
