/** What a model makes, and for how much. */
export interface LumaModel {
  /** USD for a million pixels, of 24 frames a second. */
  readonly usdPerMillionPixels: number;
}

/**
 * "VideoModel" of openapi.yaml (github.com/lumalabs/lumaai-api) without `ray-1-6`, which the SDK 1.21.0 no longer has. The rates are those from which the
 * prices follow that Comfy charges at list price (github.com/Comfy-Org/docs, pull request 514): 0.71 USD for 5 s of Ray 2 at 720p.
 */
export const MODELS: Readonly<Record<string, LumaModel>> = {
  'ray-2': { usdPerMillionPixels: 0.0064 },
  'ray-flash-2': { usdPerMillionPixels: 0.0022 },
};

/** "VideoModelOutputDuration". */
export const SECONDS: Readonly<Record<string, number>> = { '5s': 5, '9s': 9 };
/** "VideoModelOutputResolution": the shorter side. */
export const SHORTER_SIDE: Readonly<Record<string, number>> = {
  '540p': 540,
  '720p': 720,
  '1080p': 1080,
  '4k': 2160,
};
/** "AspectRatio". */
export const RATIOS = ['1:1', '16:9', '9:16', '4:3', '3:4', '21:9', '9:21'];
/** "Errors": of a prompt. */
export const PROMPT_LENGTH = { least: 3, most: 5000 };
/** "How to get a callback": "retried max 3 times with 100ms delay and the request has a 5s timeout". */
export const CALLBACK = { retryMs: [100, 100, 100], timeoutMs: 5000 };
