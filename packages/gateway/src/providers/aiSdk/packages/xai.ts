import { withErrorObject } from '../../mapping/jsonPath.ts';
import { COMMON_RESERVED, type PackageRow } from '../packageRow.ts';

/** xAI, "Video generation" and "REST API reference"; @ai-sdk/xai, xai-video-model.ts for what is sent on. */
export const XAI: PackageRow = {
  package: '@ai-sdk/xai',
  version: '5.0.12',
  id: 'xai',
  load: () => import('@ai-sdk/xai'),
  factory: 'createXai',
  keyOption: 'apiKey',
  baseUrlOption: 'baseURL',
  baseUrl: 'https://api.x.ai/v1',
  environment: { keys: ['XAI_API_KEY'], baseUrl: 'XAI_BASE_URL' },
  optionsName: 'xai',
  parameters: [
    { from: 'prompt', to: 'prompt' },
    { from: 'duration', to: 'duration' },
    { from: 'aspectRatio', to: 'aspectRatio' },
    // The package translates pixels into these words only for 16:9.
    { from: 'resolution', to: 'providerOptions.xai.resolution' },
    { from: 'generateAudio', to: 'generateAudio' },
  ],
  images: ['image', 'lastFrame', 'references'],
  // Edits and extensions are other operations with other prices. Storage options would publish the result elsewhere.
  reserved: [...COMMON_RESERVED, 'mode', 'videoUrl', 'storageOptions', 'storage_options', 'video', 'output'],
  errors: [
    // xAI answers a wrong key with 400 "Incorrect API key provided".
    { status: 400, message: /api key/i, reason: 'auth_failed' },
    { message: /credits|spending limit|billing/i, reason: 'quota_exhausted' },
  ],
  // "GET /v1/videos/{request_id}": 202 with `status: pending` and `progress` while it runs.
  reports: { progress: 'progress' },
  repair: withErrorObject,
  limits: {
    // xAI shows limits only on the page of a team's own models. Others report 60 a minute for video.
    inFlight: 20,
    submitsPerMinute: 60,
    pollsPerSecond: 20,
    pollBatch: 1,
    minPollIntervalMs: 1000,
  },
};
