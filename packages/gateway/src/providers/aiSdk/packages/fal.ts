import { isObject } from '../../mapping/jsonPath.ts';
import { COMMON_RESERVED, type PackageRow } from '../packageRow.ts';

/** "Queue", "Check the status": each status, and whether a response is there. */
const STATUSES: ReadonlyMap<unknown, boolean> = new Map([
  ['IN_QUEUE', false],
  ['IN_PROGRESS', false],
  ['COMPLETED', true],
]);

/** fal, "Queue", "Model errors", "Request error types" and "Concurrency limits"; @ai-sdk/fal, fal-video-model.ts for what is sent on. */
export const FAL: PackageRow = {
  package: '@ai-sdk/fal',
  version: '3.0.41',
  id: 'fal',
  load: () => import('@ai-sdk/fal'),
  factory: 'createFal',
  keyOption: 'apiKey',
  // The package's own base URL is only for images. Videos always go to this address.
  baseUrlOption: undefined,
  baseUrl: 'https://queue.fal.run',
  environment: { keys: ['FAL_API_KEY', 'FAL_KEY'], baseUrl: 'FAL_QUEUE_URL' },
  optionsName: 'fal',
  parameters: [
    { from: 'prompt', to: 'prompt' },
    // The package writes "8s". Models that spell it otherwise say so in their `inputs`.
    { from: 'duration', to: 'duration' },
    { from: 'aspectRatio', to: 'aspectRatio' },
    { from: 'resolution', to: 'providerOptions.fal.resolution' },
    { from: 'generateAudio', to: 'providerOptions.fal.generate_audio' },
    { from: 'negativePrompt', to: 'providerOptions.fal.negativePrompt' },
    // The package's own seed option drops a seed of 0.
    { from: 'seed', to: 'providerOptions.fal.seed' },
  ],
  images: ['image'],
  reserved: [...COMMON_RESERVED, 'generate_audio', 'fal_webhook', 'num_frames', 'sync_mode'],
  errors: [
    { code: 'content_policy_violation', reason: 'content_rejected' },
    { code: /^(?:request_timeout|startup_timeout)$/, reason: 'upstream_failed' },
    { code: /^(?:runner_|internal_)/, reason: 'upstream_failed' },
    { message: /exhausted balance|user is locked/i, reason: 'quota_exhausted' },
  ],
  // The package sends every app to `fal-ai/…`. An id with an owner, such as `bytedance/seedance-2.0`, is the whole path.
  address: (url, id) =>
    id.includes('/') && !id.startsWith('fal-ai/') ? url.replace(`/fal-ai/${id}`, `/${id}`) : url,
  reports: { state: 'status', queued: ['IN_QUEUE'], queuePosition: 'queue_position' },
  isVerdict,
  // The package asks for the response, which says only that there is none yet.
  status: {
    path: '/status',
    isOver: (body) => STATUSES.get(isObject(body) ? body.status : undefined),
    unfinished: { status: 400, body: { detail: 'Request is still in progress' } },
  },
  limits: {
    // "New accounts start at 2 concurrent requests", up to 40 with credits. Further ones wait in fal's own queue.
    inFlight: 40,
    submitsPerMinute: 600,
    pollsPerSecond: 10,
    pollBatch: 1,
    minPollIntervalMs: 1000,
  },
};

/**
 * The package reports every answer that is not 2xx as a failed job. The job has failed only if the body names one of fal's own
 * errors: a list of model errors, or the type of a request error. A 429, 503 or 404 without them is a failed poll.
 */
function isVerdict(body: unknown): boolean {
  return isObject(body) && (Array.isArray(body.detail) || typeof body.error_type === 'string');
}
