/** The endpoints that make videos ("Text to Video", "Image to Video", "Start End to Video", "Reference to Video"). */
export const ENDPOINTS = ['text2video', 'img2video', 'start-end2video', 'reference2video'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];
/** The least and the most images that each takes. */
export const IMAGES: Readonly<Record<Endpoint, readonly [least: number, most: number]>> = {
  text2video: [0, 0],
  img2video: [1, 1],
  'start-end2video': [2, 2],
  reference2video: [1, 7],
};
const FRAMES: readonly Endpoint[] = ['text2video', 'img2video', 'start-end2video'];

/** What a model makes: credits a second by resolution. A credit costs 0.005 USD. */
export interface ViduModel {
  readonly endpoints: readonly Endpoint[];
  readonly creditsPerSecond: Readonly<Record<string, number>>;
}

/** Credits of Q3 Pro: 302.ai's page of viduq3; of the others: in proportion to the prices in USD of a reseller (docs.qingbo.dev, "Vidu Q3 Series"). */
export const MODELS: Readonly<Record<string, ViduModel>> = {
  'viduq3-pro': { endpoints: FRAMES, creditsPerSecond: { '540p': 14, '720p': 30, '1080p': 32 } },
  'viduq3-turbo': { endpoints: ENDPOINTS, creditsPerSecond: { '540p': 8, '720p': 12, '1080p': 14 } },
  viduq3: { endpoints: ['reference2video'], creditsPerSecond: { '540p': 10, '720p': 20, '1080p': 25 } },
  'viduq3-mix': { endpoints: ['reference2video'], creditsPerSecond: { '720p': 25, '1080p': 30 } },
};
export const USD_PER_CREDIT = 0.005;

/** "duration: viduq3-pro, viduq3-turbo: default 5s, available: 1 - 16". */
export const SECONDS = { least: 1, most: 16 };
/** "Reference to Video": "viduq3: 3 - 16". */
export const REFERENCE_SECONDS = { least: 3, most: 16 };
export const RATIOS = ['16:9', '9:16', '3:4', '4:3', '1:1'];
export const SHORTER_SIDE: Readonly<Record<string, number>> = { '540p': 540, '720p': 720, '1080p': 1080 };
/** "With a maximum length of 5000 characters." */
export const LONGEST_PROMPT = 5000;
/** "The URL of the generated results, valid for 24 hours." Milliseconds. */
export const KEPT_MS = 24 * 3_600_000;
