/** API reference, "Text to video" and "Image to video"; github.com/runwayml/skills, `rw-api-reference`: credits a second. A credit costs 0.01 USD. */
export interface RunwayModel {
  readonly creditsPerSecond: number;
  readonly seconds: { readonly least: number; readonly most: number };
  readonly longestPrompt: number;
  /** By endpoint; a model without ratios there is not offered there. */
  readonly ratios: Readonly<Partial<Record<'text_to_video' | 'image_to_video', readonly string[]>>>;
  /** Whether an image may come without a text. */
  readonly textOptional: boolean;
  readonly pace: { readonly medianSeconds: number; readonly p90Seconds: number };
}

const FROM_IMAGE = ['1280:720', '720:1280', '1104:832', '832:1104', '960:960', '1584:672'];

export const MODELS: Readonly<Record<string, RunwayModel>> = {
  'gen4.5': {
    creditsPerSecond: 12,
    seconds: { least: 2, most: 10 },
    longestPrompt: 1000,
    ratios: { text_to_video: ['1280:720', '720:1280'], image_to_video: FROM_IMAGE },
    textOptional: false,
    pace: { medianSeconds: 180, p90Seconds: 360 },
  },
  gen4_turbo: {
    creditsPerSecond: 5,
    seconds: { least: 2, most: 10 },
    longestPrompt: 1000,
    ratios: { image_to_video: FROM_IMAGE },
    textOptional: true,
    pace: { medianSeconds: 60, p90Seconds: 150 },
  },
};

export const USD_PER_CREDIT = 0.01;
/** "Expire within 24-48 hours." Milliseconds. */
export const KEPT_MS = 24 * 3_600_000;
/** The `X-Runway-Version` that this is. */
export const VERSION = '2024-11-06';
