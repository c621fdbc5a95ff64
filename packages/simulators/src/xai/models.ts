/** What a model of xAI accepts. */
export interface GrokModel {
  /** USD a second, by resolution. */
  readonly usd: Readonly<Record<string, number>>;
  readonly lastFrame: boolean;
}

/** xAI, "Models and pricing", video. */
export const MODELS: Readonly<Record<string, GrokModel>> = {
  'grok-imagine-video': { usd: { '480p': 0.05, '720p': 0.07 }, lastFrame: false },
  'grok-imagine-video-1.5': { usd: { '480p': 0.08, '720p': 0.14, '1080p': 0.25 }, lastFrame: true },
  'grok-imagine-video-1.5-lite': { usd: { '480p': 0.02, '720p': 0.035 }, lastFrame: false },
};

/** xAI, "Video generation": 1 to 15 seconds, 8 by default; 480p by default. */
export const SECONDS = { least: 1, most: 15, usual: 8 };
export const RESOLUTION = '480p';
export const RATIOS = ['1:1', '16:9', '9:16', '4:3', '3:4', '3:2', '2:3'];
/** xAI, REST API reference, `prompt`: "maximum 4,096 characters". */
export const LONGEST_PROMPT = 4096;
/** xAI, "Reference-to-video": one to seven images, 720p at most, and not with `image`. */
export const REFERENCES = { most: 7, largest: '720p' };
/** xAI, REST API reference, `cost_in_usd_ticks`: ten billion ticks are a dollar. */
export const TICKS_PER_USD = 10_000_000_000;
