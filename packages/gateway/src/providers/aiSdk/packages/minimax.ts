import type { Resolution } from '../../../tasks/request.ts';
import { isObject, withErrorObject } from '../../mapping/jsonPath.ts';
import { COMMON_RESERVED, type PackageRow } from '../packageRow.ts';

/** MiniMax's tiers nearest to the resolutions of the gateway's API. "2K" is 2560x1440 in 16:9. */
const TIERS: Partial<Record<Resolution, string>> = { '480p': '480P', '720p': '768P', '1080p': '2K' };

/** MiniMax, "Video generation v2" and "Rate limits"; @ai-sdk/minimax, minimax-video-model.ts for what is sent on. */
export const MINIMAX: PackageRow = {
  package: '@ai-sdk/minimax',
  version: '3.0.45',
  id: 'minimax',
  load: () => import('@ai-sdk/minimax'),
  factory: 'createMiniMax',
  keyOption: 'apiKey',
  baseUrlOption: 'videoBaseURL',
  baseUrl: 'https://api.minimax.io',
  environment: { keys: ['MINIMAX_API_KEY'], baseUrl: 'MINIMAX_VIDEO_BASE_URL' },
  optionsName: 'minimax',
  parameters: [
    { from: 'prompt', to: 'prompt' },
    { from: 'duration', to: 'duration' },
    // "Ignored with first and last frames": the video takes the ratio of the frame.
    { from: 'aspectRatio', to: 'aspectRatio', as: (ratio, { image }) => (image ? undefined : ratio) },
    { from: 'resolution', to: 'providerOptions.minimax.resolution', as: (resolution) => TIERS[resolution] },
    { from: 'watermark', to: 'providerOptions.minimax.aigcWatermark' },
  ],
  images: ['image', 'lastFrame', 'references'],
  reserved: COMMON_RESERVED,
  // Error codes are in brackets at the end of a message: "insufficient balance (1008)".
  errors: [
    { message: /\((?:1026|1027)\)/, reason: 'content_rejected' },
    { message: /\((?:1004|2049)\)/, reason: 'auth_failed' },
    { message: /\(1008\)/, reason: 'quota_exhausted' },
    { message: /\(1002\)/, reason: 'rate_limited' },
    { message: /\(2013\)/, reason: 'invalid_request' },
    { code: 'insufficient_balance_error', reason: 'quota_exhausted' },
    { code: 'authorized_error', reason: 'auth_failed' },
  ],
  // "Query task": `updated_at` of a task that is over is its last change, and so its end.
  reports: { state: 'task.status', queued: ['queued'], endedAt: 'task.updated_at' },
  repair: (body) => (isObject(body) && 'task' in body ? { ...body, task: withErrorObject(body.task) } : body),
  limits: {
    // "Video generation: 5 RPM", stated for the models before H3 but not for H3 itself. Ten seconds between polls.
    inFlight: 20,
    submitsPerMinute: 5,
    pollsPerSecond: 5,
    pollBatch: 1,
    minPollIntervalMs: 2000,
  },
};
