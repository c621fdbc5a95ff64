import type { ImageLimits, ModelEntry } from '../model.ts';
import { SIZES_1_0, SIZES_2_0, tokenRates } from './seedance.ts';

/**
 * Sources: the pages of fal's models ("Input Schema", "Pricing") and the types of @fal-ai/client 1.10.1, which agree except where noted. @ai-sdk/fal
 * 3.0.41 writes seconds as "8s", which is how Veo wants them; the other models say in `inputs` what they want.
 */
const AT_FAL = {
  provider: 'fal',
  delivery: 'url',
  typical: { medianSeconds: 90, p90Seconds: 240 },
  cancel: 'none',
} satisfies Partial<ModelEntry>;

const BILLING = 'Per second of video; requests that fail are not charged.';

type Parameters = ModelEntry['parameters'];
type Rates = ModelEntry['price']['rates'];

/** What a page of fal states of the first frame. */
const limitsOn = (app: string, limits: Omit<ImageLimits, 'source'>): ImageLimits => ({
  ...limits,
  source: { url: `https://fal.ai/models/${app}`, checked: '2026-11-29' },
});
/** "Input images up to 8 MB in size." */
const VEO_FRAME = {
  kind: 'image',
  limits: limitsOn('fal-ai/veo3.1/image-to-video', { maxBytes: 8_000_000 }),
} as const;

const LITE: Parameters = {
  duration: { kind: 'numbers', allowed: [4, 6, 8], default: 8 },
  resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16'], default: '16:9' },
  negativePrompt: { kind: 'text', maxLength: 2000 },
  image: VEO_FRAME,
  generateAudio: { kind: 'flag', allowed: [true, false], default: true },
  seed: { kind: 'range', min: 0, max: 2_147_483_647 },
};
const FULL: Parameters = {
  ...LITE,
  resolution: { kind: 'choice', allowed: ['720p', '1080p', '4k'], default: '720p' },
};

const veoAtFal = (
  id: string,
  title: string,
  app: string,
  parameters: Parameters,
  rates: Rates,
  checked: string,
): ModelEntry => ({
  ...AT_FAL,
  family: 'veo',
  released: '2025-10-15',
  promptMaxLength: 8192,
  id,
  title,
  upstreamModel: app,
  services: { fal: { source: { url: `https://fal.ai/models/${app}`, checked } } },
  upstreamModels: [{ when: { parameter: 'image', given: true }, upstreamModel: `${app}/image-to-video` }],
  parameters,
  price: {
    currency: 'USD',
    rates,
    billing: BILLING,
    sources: [{ url: `https://fal.ai/models/${app}`, checked }],
  },
});

/** Entries whose app has a path for text and one for a first frame. */
const atFal = (
  app: string,
  {
    rates,
    billing = BILLING,
    ...entry
  }: Omit<ModelEntry, keyof typeof AT_FAL | 'services' | 'price' | 'upstreamModel' | 'upstreamModels'> & {
    readonly rates: Rates;
    readonly billing?: string;
  },
): ModelEntry => {
  const source = { url: `https://fal.ai/models/${app}/text-to-video`, checked: '2026-11-29' };
  return {
    ...AT_FAL,
    ...entry,
    services: { fal: { source } },
    price: { currency: 'USD', rates, billing, sources: [source] },
    upstreamModel: `${app}/text-to-video`,
    upstreamModels: [{ when: { parameter: 'image', given: true }, upstreamModel: `${app}/image-to-video` }],
  };
};

const SEED: NonNullable<Parameters['seed']> = { kind: 'range', min: 0, max: 2_147_483_647 };
const SOUND_OR_NOT: NonNullable<Parameters['generateAudio']> = {
  kind: 'flag',
  allowed: [true, false],
  default: true,
};
const FRAMES = { image: { kind: 'image' }, lastFrame: { kind: 'image' } } satisfies Partial<Parameters>;
/** Two frames of which the page states the same. */
const framesOn = (app: string, limits: Omit<ImageLimits, 'source'>) => {
  const frame = { kind: 'image', limits: limitsOn(app, limits) } as const;
  return { image: frame, lastFrame: frame };
};

const LAST_NEEDS_FIRST = {
  when: { parameter: 'lastFrame', given: true },
  require: { parameter: 'image', given: true },
} as const;
const SHAPE_FROM_IMAGE = {
  when: { parameter: 'image', given: true },
  note: 'The video has the shape of image; aspect_ratio is not sent.',
} as const;

/** Kling has one resolution for each quality. */
function kling(
  quality: string,
  title: string,
  released: string,
  parameters: Pick<Parameters, 'duration' | 'generateAudio'>,
  at: { readonly resolution: '720p' | '1080p'; readonly inputs: ModelEntry['inputs']; readonly rates: Rates },
): ModelEntry {
  return atFal(`fal-ai/kling-video/${quality}`, {
    id: `fal-kling-${quality.replace('/', '-')}`,
    title,
    family: 'kling',
    released,
    promptMaxLength: 2500,
    parameters: {
      ...FRAMES,
      // "Max file size: 10.0MB, Min width: 300px, Min height: 300px, Min aspect ratio: 0.40, Max aspect ratio: 2.50".
      image: {
        kind: 'image',
        limits: limitsOn(`fal-ai/kling-video/${quality}/image-to-video`, {
          minSide: 300,
          minRatio: 0.4,
          maxRatio: 2.5,
          maxBytes: 10_000_000,
        }),
      },
      ...parameters,
      resolution: { kind: 'choice', allowed: [at.resolution], default: at.resolution },
      aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1'], default: '16:9' },
      negativePrompt: { kind: 'text', maxLength: 2500 },
    },
    inputs: {
      duration: { form: 'text' },
      resolution: false,
      aspectRatio: { unless: 'image' },
      image: { name: 'start_image_url' },
      lastFrame: { name: 'end_image_url' },
      ...at.inputs,
    },
    rules: [LAST_NEEDS_FIRST, SHAPE_FROM_IMAGE],
    rates: at.rates,
  });
}

const FIVE_OR_TEN: Parameters['duration'] = { kind: 'numbers', allowed: [5, 10], default: 5 };
const THREE_TO_FIFTEEN: Parameters['duration'] = { kind: 'range', min: 3, max: 15, default: 5 };

const audioRates = (silent: number, withSound: number): Rates => [
  { generateAudio: true, microsPerSecond: withSound },
  { microsPerSecond: silent },
];

const WAN_INPUTS: ModelEntry['inputs'] = {
  aspectRatio: { unless: 'image' },
  // Wan always has sound.
  generateAudio: false,
  promptExtend: { name: 'enable_prompt_expansion' },
};
const WAN_PARAMETERS = {
  negativePrompt: { kind: 'text', maxLength: 500 },
  seed: SEED,
  generateAudio: { kind: 'flag', allowed: [true], default: true },
  promptExtend: { kind: 'flag', allowed: [true, false] },
} satisfies Partial<Parameters>;

const SEEDANCE_RATIO: Parameters['aspectRatio'] = {
  kind: 'choice',
  allowed: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'],
  default: '16:9',
};
const BY_TOKENS =
  'By tokens (width x height x 24 x seconds / 1024); shown for the largest size. Requests that fail are not charged.';

const FURTHER: readonly ModelEntry[] = [
  kling(
    'v3/pro',
    'Kling 3.0 Pro at fal',
    '2026-02-05',
    { duration: THREE_TO_FIFTEEN, generateAudio: SOUND_OR_NOT },
    { resolution: '1080p', inputs: {}, rates: audioRates(112_000, 168_000) },
  ),
  kling(
    'v3/standard',
    'Kling 3.0 Standard at fal',
    '2026-02-05',
    { duration: THREE_TO_FIFTEEN, generateAudio: SOUND_OR_NOT },
    { resolution: '720p', inputs: {}, rates: audioRates(84_000, 126_000) },
  ),
  kling(
    'v2.6/pro',
    'Kling 2.6 Pro at fal',
    '2025-12-03',
    { duration: FIVE_OR_TEN, generateAudio: SOUND_OR_NOT },
    { resolution: '1080p', inputs: {}, rates: audioRates(70_000, 140_000) },
  ),
  kling(
    'v2.5-turbo/pro',
    'Kling 2.5 Turbo Pro at fal',
    '2025-09-23',
    { duration: FIVE_OR_TEN, generateAudio: { kind: 'flag', allowed: [false], default: false } },
    {
      resolution: '1080p',
      inputs: {
        generateAudio: false,
        image: { name: 'image_url' },
        lastFrame: { name: 'tail_image_url' },
      },
      rates: [{ microsPerSecond: 70_000 }],
    },
  ),
  atFal('fal-ai/wan/v2.7', {
    id: 'fal-wan-2.7',
    title: 'Wan 2.7 at fal',
    family: 'wanxiang',
    released: '2026-04-02',
    promptMaxLength: 5000,
    parameters: {
      // "Formats: JPEG, JPG, PNG, BMP, WEBP. Max 20 MB." "Same constraints as image_url."
      ...framesOn('fal-ai/wan/v2.7/image-to-video', { maxBytes: 20_000_000 }),
      ...WAN_PARAMETERS,
      duration: { kind: 'range', min: 2, max: 15, default: 5 },
      resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
      aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1', '4:3', '3:4'], default: '16:9' },
    },
    // The page has whole numbers. The types of the client make texts of them.
    inputs: { ...WAN_INPUTS, duration: { form: 'number' }, lastFrame: { name: 'end_image_url' } },
    rules: [LAST_NEEDS_FIRST, SHAPE_FROM_IMAGE],
    rates: [
      { resolution: '1080p', microsPerSecond: 150_000 },
      { resolution: '720p', microsPerSecond: 100_000 },
    ],
  }),
  atFal('fal-ai/wan-25-preview', {
    id: 'fal-wan-2.5',
    title: 'Wan 2.5 at fal',
    family: 'wanxiang',
    released: '2025-09-24',
    promptMaxLength: 800,
    parameters: {
      image: { kind: 'image' },
      ...WAN_PARAMETERS,
      duration: FIVE_OR_TEN,
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1'], default: '16:9' },
    },
    inputs: { ...WAN_INPUTS, duration: { form: 'text' } },
    rules: [SHAPE_FROM_IMAGE],
    rates: [
      { resolution: '1080p', microsPerSecond: 150_000 },
      { resolution: '720p', microsPerSecond: 100_000 },
      { resolution: '480p', microsPerSecond: 50_000 },
    ],
  }),
  atFal('bytedance/seedance-2.0', {
    id: 'fal-seedance-2.0',
    title: 'Seedance 2.0 at fal',
    family: 'seedance',
    released: '2026-01-28',
    promptMaxLength: 4000,
    parameters: {
      // "Supported formats: JPEG, PNG, WebP. Max 30 MB."
      ...framesOn('bytedance/seedance-2.0/image-to-video', {
        formats: ['jpeg', 'png', 'webp'],
        maxBytes: 30_000_000,
      }),
      duration: { kind: 'range', min: 4, max: 15, default: 5 },
      // The client's types have no 1080p.
      resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
      aspectRatio: SEEDANCE_RATIO,
      generateAudio: SOUND_OR_NOT,
      seed: SEED,
    },
    inputs: { duration: { form: 'text' }, lastFrame: { name: 'end_image_url' } },
    rules: [LAST_NEEDS_FIRST],
    sizes: SIZES_2_0,
    rates: tokenRates(SIZES_2_0, { '480p': 14, '720p': 14 }, false),
    billing: BY_TOKENS,
  }),
  atFal('fal-ai/bytedance/seedance/v1.5/pro', {
    id: 'fal-seedance-1.5-pro',
    title: 'Seedance 1.5 Pro at fal',
    family: 'seedance',
    released: '2025-12-15',
    promptMaxLength: 4000,
    parameters: {
      ...FRAMES,
      duration: { kind: 'range', min: 4, max: 12, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      aspectRatio: SEEDANCE_RATIO,
      generateAudio: SOUND_OR_NOT,
      seed: SEED,
      cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
    },
    inputs: { duration: { form: 'text' }, lastFrame: { name: 'end_image_url' }, cameraFixed: {} },
    rules: [LAST_NEEDS_FIRST],
    sizes: SIZES_2_0,
    rates: [
      ...tokenRates(SIZES_2_0, { '480p': 2.4, '720p': 2.4, '1080p': 2.4 }, false).map((rate) => ({
        ...rate,
        generateAudio: true,
      })),
      ...tokenRates(SIZES_2_0, { '480p': 1.2, '720p': 1.2, '1080p': 1.2 }, false),
    ],
    billing: BY_TOKENS,
  }),
  atFal('fal-ai/bytedance/seedance/v1/pro/fast', {
    id: 'fal-seedance-1.0-pro-fast',
    title: 'Seedance 1.0 Pro Fast at fal',
    family: 'seedance',
    released: '2025-10-15',
    promptMaxLength: 4000,
    parameters: {
      image: { kind: 'image' },
      duration: { kind: 'range', min: 2, max: 12, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      aspectRatio: SEEDANCE_RATIO,
      generateAudio: { kind: 'flag', allowed: [false], default: false },
      seed: SEED,
      cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
    },
    inputs: { duration: { form: 'text' }, generateAudio: false, cameraFixed: {} },
    sizes: SIZES_1_0,
    rates: tokenRates(SIZES_1_0, { '480p': 1, '720p': 1, '1080p': 1 }, false),
    billing: BY_TOKENS,
  }),
];

export const FAL: readonly ModelEntry[] = [
  veoAtFal(
    'fal-veo3.1',
    'Veo 3.1 at fal',
    'fal-ai/veo3.1',
    FULL,
    [
      { resolution: '4k', generateAudio: true, microsPerSecond: 600_000 },
      { resolution: '4k', microsPerSecond: 400_000 },
      { generateAudio: true, microsPerSecond: 400_000 },
      { microsPerSecond: 200_000 },
    ],
    '2026-11-29',
  ),
  veoAtFal(
    'fal-veo3.1-fast',
    'Veo 3.1 Fast at fal',
    'fal-ai/veo3.1/fast',
    LITE,
    [{ generateAudio: true, microsPerSecond: 150_000 }, { microsPerSecond: 100_000 }],
    '2026-11-24',
  ),
  veoAtFal(
    'fal-veo3.1-lite',
    'Veo 3.1 Lite at fal',
    'fal-ai/veo3.1/lite',
    LITE,
    [
      { resolution: '1080p', generateAudio: true, microsPerSecond: 80_000 },
      { resolution: '1080p', microsPerSecond: 50_000 },
      { generateAudio: true, microsPerSecond: 50_000 },
      { microsPerSecond: 30_000 },
    ],
    '2026-11-24',
  ),
  ...FURTHER,
];
