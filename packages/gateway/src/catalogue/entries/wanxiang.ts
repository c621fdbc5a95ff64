import type { ModelEntry } from '../model.ts';

/**
 * Sources: Alibaba Cloud Model Studio, "Wan text-to-video API reference (2.1-2.6)", "Wan image-to-video API reference",
 * "Wan2.7" and "Wan3.0 video generation API reference" for fields, limits and pixel sizes, "Model pricing" (Singapore)
 * for prices.
 */
const SHARED = {
  family: 'wanxiang',
  provider: 'dashscope',
  delivery: 'url',
  // "One to five minutes."
  typical: { medianSeconds: 120, p90Seconds: 300 },
  // Model Studio, "Manage asynchronous tasks": only PENDING tasks can be cancelled.
  cancel: 'queued',
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];
type Rules = NonNullable<ModelEntry['rules']>;
type Resolutions = Parameters['resolution']['allowed'];

const SIZES: NonNullable<ModelEntry['sizes']> = {
  '480p': { '16:9': ['832x480'], '9:16': ['480x832'], '1:1': ['624x624'] },
  '720p': {
    '16:9': ['1280x720'],
    '9:16': ['720x1280'],
    '1:1': ['960x960'],
    '4:3': ['1088x832'],
    '3:4': ['832x1088'],
  },
  '1080p': {
    '16:9': ['1920x1080'],
    '9:16': ['1080x1920'],
    '1:1': ['1440x1440'],
    '4:3': ['1632x1248'],
    '3:4': ['1248x1632'],
  },
};

const BILLING = 'Per second of finished video; failed videos are not charged.';
const SILENT: NonNullable<Parameters['generateAudio']> = { kind: 'flag', allowed: [false], default: false };
const WITH_SOUND: NonNullable<Parameters['generateAudio']> = { kind: 'flag', allowed: [true], default: true };

const COMMON = {
  negativePrompt: { kind: 'text', maxLength: 500 },
  seed: { kind: 'range', min: 0, max: 2_147_483_647 },
  watermark: { kind: 'flag', allowed: [true, false], default: false },
  promptExtend: { kind: 'flag', allowed: [true, false], default: true },
} satisfies Partial<Parameters>;

const NEEDS_IMAGE: Rules = [{ require: { parameter: 'image', given: true } }];
const SHAPE_FROM_IMAGE = {
  when: { parameter: 'image', given: true },
  note: 'The video has the shape of image; aspect_ratio is not sent.',
} as const satisfies Rules[number];
const LAST_NEEDS_FIRST: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
];

const resolutions = (...allowed: Resolutions): Parameters['resolution'] => ({
  kind: 'choice',
  allowed,
  default: allowed.includes('720p') ? '720p' : '1080p',
});
const ratios = (...allowed: Parameters['aspectRatio']['allowed']): Parameters['aspectRatio'] => ({
  kind: 'choice',
  allowed,
  default: '16:9',
});

/** US dollars per second, by resolution. */
const dollars = (rates: Partial<Record<Resolutions[number], number>>): ModelEntry['price'] => ({
  currency: 'USD',
  rates: Object.entries(rates).map(([resolution, perSecond]) => ({
    // The keys are resolutions by the type above.
    resolution: resolution as Resolutions[number],
    microsPerSecond: Math.round(perSecond * 1_000_000),
  })),
  billing: BILLING,
});

/** The protocol of wan2.1 to wan2.6, with pixel sizes and separate models for images. */
const legacy = (
  id: string,
  title: string,
  released: string,
  tiers: Resolutions,
  parameters: Pick<Parameters, 'duration' | 'generateAudio'> & Partial<Parameters>,
  rules: Rules = [],
): Omit<ModelEntry, 'price' | 'promptMaxLength'> => ({
  ...SHARED,
  id,
  title,
  released,
  upstreamModel: id,
  parameters: {
    ...COMMON,
    resolution: resolutions(...tiers),
    aspectRatio: ratios('16:9', '9:16', '1:1'),
    ...parameters,
  },
  rules,
  sizes: SIZES,
});

const FIVE_SECONDS: Parameters['duration'] = { kind: 'numbers', allowed: [5], default: 5 };
const IMAGE = { image: { kind: 'image' } } satisfies Partial<Parameters>;
const FROM_IMAGE: Rules = [...NEEDS_IMAGE, SHAPE_FROM_IMAGE];

const WAN_2_7 = {
  ...SHARED,
  released: '2026-04-02',
  promptMaxLength: 5000,
  sizes: SIZES,
  price: dollars({ '720p': 0.1, '1080p': 0.15 }),
} satisfies Partial<ModelEntry>;

const PARAMETERS_2_7: Parameters = {
  ...COMMON,
  duration: { kind: 'range', min: 2, max: 15, default: 5 },
  resolution: resolutions('720p', '1080p'),
  aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
  generateAudio: WITH_SOUND,
};

const WAN_3_0 = {
  ...SHARED,
  released: '2026-09-01',
  promptMaxLength: 20_000,
  parameters: {
    ...COMMON,
    duration: { kind: 'range', min: 2, max: 30, default: 5 },
    resolution: resolutions('480p', '720p', '1080p'),
    aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
    image: { kind: 'image' },
    lastFrame: { kind: 'image' },
    referenceImages: { kind: 'images', max: 10 },
    generateAudio: { kind: 'flag', allowed: [true, false], default: true },
  },
  rules: [
    ...LAST_NEEDS_FIRST,
    SHAPE_FROM_IMAGE,
    { when: { parameter: 'referenceImages', given: true }, require: { parameter: 'image', given: false } },
  ],
  notes: ['Needs the workspace URL of Model Studio as base URL.'],
} satisfies Partial<ModelEntry>;

export const WANXIANG: readonly ModelEntry[] = [
  {
    ...WAN_3_0,
    id: 'wan3.0-video',
    title: 'Wan 3.0',
    upstreamModel: 'wan3.0-video',
    price: dollars({ '480p': 0.05, '720p': 0.1, '1080p': 0.2 }),
    typical: { medianSeconds: 240, p90Seconds: 900 },
  },
  {
    ...WAN_3_0,
    id: 'wan3.0-video-prime',
    title: 'Wan 3.0 Prime',
    upstreamModel: 'wan3.0-video-prime',
    price: dollars({ '480p': 0.068, '720p': 0.14, '1080p': 0.28 }),
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-t2v',
    title: 'Wan 2.7 text to video',
    upstreamModel: 'wan2.7-t2v',
    parameters: PARAMETERS_2_7,
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-i2v',
    title: 'Wan 2.7 image to video',
    upstreamModel: 'wan2.7-i2v',
    parameters: { ...PARAMETERS_2_7, ...IMAGE, lastFrame: { kind: 'image' } },
    rules: FROM_IMAGE,
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-r2v',
    title: 'Wan 2.7 reference to video',
    upstreamModel: 'wan2.7-r2v',
    parameters: { ...PARAMETERS_2_7, ...IMAGE, referenceImages: { kind: 'images', max: 5 } },
    rules: [{ require: { parameter: 'referenceImages', given: true } }, SHAPE_FROM_IMAGE],
  },
  {
    // An id of the reference service. No upstream has a model of this name.
    ...WAN_2_7,
    id: 'wanx-video-v1',
    title: 'Wanxiang Video',
    upstreamModel: 'wan2.7-t2v',
    upstreamModels: [{ when: { parameter: 'image', given: true }, upstreamModel: 'wan2.7-i2v' }],
    parameters: {
      ...PARAMETERS_2_7,
      ...IMAGE,
      style: { kind: 'text', maxLength: 100, appendToPrompt: true },
    },
    rules: [SHAPE_FROM_IMAGE],
    notes: ['Served by Wan 2.7, which has no style parameter, so style is appended to the prompt.'],
  },
  {
    ...legacy('wan2.6-t2v', 'Wan 2.6 text to video', '2025-12-16', ['720p', '1080p'], {
      duration: { kind: 'range', min: 2, max: 15, default: 5 },
      generateAudio: WITH_SOUND,
      aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
    }),
    promptMaxLength: 1500,
    price: dollars({ '720p': 0.1, '1080p': 0.15 }),
  },
  {
    ...legacy(
      'wan2.6-i2v',
      'Wan 2.6 image to video',
      '2025-12-16',
      ['720p', '1080p'],
      { ...IMAGE, duration: { kind: 'range', min: 2, max: 15, default: 5 }, generateAudio: WITH_SOUND },
      FROM_IMAGE,
    ),
    promptMaxLength: 1500,
    price: dollars({ '720p': 0.1, '1080p': 0.15 }),
  },
  {
    ...legacy('wan2.5-t2v-preview', 'Wan 2.5 text to video', '2025-09-24', ['480p', '720p', '1080p'], {
      duration: { kind: 'numbers', allowed: [5, 10], default: 5 },
      generateAudio: WITH_SOUND,
    }),
    promptMaxLength: 1500,
    price: dollars({ '480p': 0.05, '720p': 0.1, '1080p': 0.15 }),
  },
  {
    ...legacy(
      'wan2.5-i2v-preview',
      'Wan 2.5 image to video',
      '2025-09-24',
      ['480p', '720p', '1080p'],
      { ...IMAGE, duration: { kind: 'numbers', allowed: [5, 10], default: 5 }, generateAudio: WITH_SOUND },
      FROM_IMAGE,
    ),
    promptMaxLength: 1500,
    price: dollars({ '480p': 0.05, '720p': 0.1, '1080p': 0.15 }),
  },
  {
    ...legacy('wan2.2-t2v-plus', 'Wan 2.2 text to video', '2025-07-28', ['480p', '1080p'], {
      duration: FIVE_SECONDS,
      generateAudio: SILENT,
    }),
    promptMaxLength: 800,
    price: dollars({ '480p': 0.02, '1080p': 0.1 }),
  },
  {
    ...legacy(
      'wan2.2-i2v-plus',
      'Wan 2.2 image to video',
      '2025-07-28',
      ['480p', '1080p'],
      { ...IMAGE, duration: FIVE_SECONDS, generateAudio: SILENT },
      FROM_IMAGE,
    ),
    promptMaxLength: 800,
    price: dollars({ '480p': 0.02, '1080p': 0.1 }),
  },
  {
    ...legacy(
      'wan2.2-i2v-flash',
      'Wan 2.2 image to video Flash',
      '2025-08-11',
      ['480p', '720p'],
      { ...IMAGE, duration: FIVE_SECONDS, generateAudio: SILENT },
      FROM_IMAGE,
    ),
    promptMaxLength: 800,
    price: dollars({ '480p': 0.015, '720p': 0.036 }),
  },
  {
    ...legacy(
      'wan2.2-kf2v-flash',
      'Wan 2.2 first and last frame',
      '2025-09-01',
      ['480p', '720p', '1080p'],
      { ...IMAGE, lastFrame: { kind: 'image' }, duration: FIVE_SECONDS, generateAudio: SILENT },
      FROM_IMAGE,
    ),
    promptMaxLength: 800,
    price: dollars({ '480p': 0.015, '720p': 0.036, '1080p': 0.07 }),
  },
  {
    ...legacy('wanx2.1-t2v-turbo', 'Wan 2.1 text to video Turbo', '2025-01-10', ['480p', '720p'], {
      duration: FIVE_SECONDS,
      generateAudio: SILENT,
    }),
    aliases: ['wan2.1-t2v-turbo'],
    // Only Beijing spells it with an x.
    upstreamModelByRegion: { singapore: 'wan2.1-t2v-turbo', virginia: 'wan2.1-t2v-turbo' },
    promptMaxLength: 800,
    price: dollars({ '480p': 0.036, '720p': 0.036 }),
  },
  {
    ...legacy('wanx2.1-t2v-plus', 'Wan 2.1 text to video Plus', '2025-01-10', ['720p'], {
      duration: FIVE_SECONDS,
      generateAudio: SILENT,
    }),
    aliases: ['wan2.1-t2v-plus'],
    upstreamModelByRegion: { singapore: 'wan2.1-t2v-plus', virginia: 'wan2.1-t2v-plus' },
    promptMaxLength: 800,
    price: dollars({ '720p': 0.1 }),
  },
];
