import { type Pace, pace } from '../core/jobs/job.ts';

/** What a Sora model accepts and costs. */
export interface SoraModel {
  /** Sizes, each with its USD a second. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Requests a minute by usage tier, 1 to 5. */
  readonly requestsPerMinute: readonly [number, number, number, number, number];
  readonly pace: Pace;
}

// OpenAI, "Video generation with Sora" and "Pricing": USD 0.10 a second for sora-2, 0.30, 0.50 and 0.70 for sora-2-pro by size.
// OpenAI, model pages: requests a minute by tier.
const SORA: SoraModel = {
  sizes: { '720x1280': 0.1, '1280x720': 0.1 },
  requestsPerMinute: [25, 50, 125, 200, 375],
  pace: pace(150, 360),
};
const SORA_PRO: SoraModel = {
  sizes: {
    '720x1280': 0.3,
    '1280x720': 0.3,
    '1024x1792': 0.5,
    '1792x1024': 0.5,
    '1080x1920': 0.7,
    '1920x1080': 0.7,
  },
  requestsPerMinute: [10, 25, 50, 75, 150],
  pace: pace(300, 720),
};

/** OpenAI's public API description, schema VideoModel. */
export const MODELS: Readonly<Record<string, SoraModel>> = {
  'sora-2': SORA,
  'sora-2-2025-10-06': SORA,
  'sora-2-2025-12-08': SORA,
  'sora-2-pro': SORA_PRO,
  'sora-2-pro-2025-10-06': SORA_PRO,
};

/** OpenAI's public API description, schema CreateVideoJsonBody. */
export const DEFAULT_MODEL = 'sora-2';
export const DEFAULT_SIZE = '720x1280';
export const DEFAULT_SECONDS = '4';

/** The description lists 4, 8 and 12; the guide ("Video generation with Sora") adds 16 and 20. */
export const SECONDS = ['4', '8', '12', '16', '20'] as const;

/** OpenAI's public API description: prompt 1 to 32000 characters. */
export const LONGEST_PROMPT = 32_000;

/** OpenAI's public API description, schema ImageRefParam: the most characters of `image_url`. */
export const LONGEST_IMAGE_URL = 20_971_520;

/** OpenAI, "Video generation with Sora": at most six extensions, 120 s in all. */
export const MOST_EXTENSIONS = 6;
export const LONGEST_SECONDS = 120;
