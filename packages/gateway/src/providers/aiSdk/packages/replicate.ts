import { isObject } from '../../mapping/jsonPath.ts';
import { COMMON_RESERVED, type PackageRow } from '../packageRow.ts';

/** Replicate, "HTTP API", "Prediction lifecycle" and "Rate limits"; @ai-sdk/replicate, replicate-video-model.ts for what is sent on. */
export const REPLICATE: PackageRow = {
  package: '@ai-sdk/replicate',
  version: '3.0.46',
  id: 'replicate',
  load: () => import('@ai-sdk/replicate'),
  factory: 'createReplicate',
  keyOption: 'apiToken',
  baseUrlOption: 'baseURL',
  baseUrl: 'https://api.replicate.com/v1',
  environment: { keys: ['REPLICATE_API_TOKEN'], baseUrl: 'REPLICATE_BASE_URL' },
  optionsName: 'replicate',
  // Models name their inputs differently. These are the most common names. Other members of providerOptions go into `input`
  // unchanged. `seed` is one of them, because the package's own option drops a seed of 0.
  parameters: [
    { from: 'prompt', to: 'prompt' },
    { from: 'duration', to: 'duration' },
    { from: 'aspectRatio', to: 'aspectRatio' },
    { from: 'resolution', to: 'providerOptions.replicate.resolution' },
    { from: 'generateAudio', to: 'providerOptions.replicate.generate_audio' },
    { from: 'negativePrompt', to: 'providerOptions.replicate.negative_prompt' },
    { from: 'cameraFixed', to: 'providerOptions.replicate.camera_fixed' },
    { from: 'seed', to: 'providerOptions.replicate.seed' },
  ],
  images: ['image'],
  reserved: [
    ...COMMON_RESERVED,
    'generate_audio',
    'version',
    'num_frames',
    'frames',
    'video_length',
    'maxWaitTimeInSeconds',
  ],
  errors: [
    { status: 402, reason: 'quota_exhausted' },
    // "E005": the model's own filter. Other filters are recognised by their message, see `COMMON_ERRORS`.
    { message: /\(E005\)/, reason: 'content_rejected' },
    { message: /\(E\d{3,4}\)/, reason: 'upstream_failed' },
  ],
  reports: { state: 'status', queued: ['starting'], startedAt: 'started_at', endedAt: 'completed_at' },
  repair,
  limits: {
    // "Create predictions at 600 requests per minute. All other endpoints 3000 requests per minute."
    inFlight: 100,
    submitsPerMinute: 600,
    pollsPerSecond: 50,
    pollBatch: 1,
    minPollIntervalMs: 1000,
  },
};

/**
 * The package reads an output that is one text, and five states. But a model may answer with a list ("type depends on the model"),
 * and a prediction that reached its deadline before it began is `aborted`.
 */
function repair(body: unknown): unknown {
  if (!isObject(body)) return body;
  const { output, status } = body;
  return {
    ...body,
    ...(Array.isArray(output) ? { output: output.find((item) => typeof item === 'string') } : {}),
    ...(status === 'aborted' ? { status: 'failed', error: 'the prediction expired before it began' } : {}),
  };
}
