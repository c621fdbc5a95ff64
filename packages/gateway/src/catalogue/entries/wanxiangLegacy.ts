import type { ModelEntry } from '../model.ts';
import {
  CLIP,
  dollars,
  FROM_IMAGE,
  inRegions,
  limitsAt,
  MODEL_STUDIO,
  NEEDS_REFERENCES,
  type Parameters,
  type Resolutions,
  type Rules,
  ratios,
  resolutions,
  SEED,
  SILENT,
  SOUND_OR_NOT,
  WATERMARK,
  WITH_SOUND,
  withSilent,
  withVideos,
  yuan,
} from './modelStudio.ts';

/**
 * Sources: Alibaba Cloud Model Studio, "Wan text-to-video API reference (2.1-2.6)", "Wan image-to-video API reference", "Wan reference-to-video
 * API reference (2.6)", "Wan2.7" (text-to-video, image-to-video, reference-to-video, video editing) and "Wan3.0 video generation API reference"
 * for fields, limits and pixel sizes, "Model pricing" for prices, which are those of Singapore, or of Beijing for models that only Beijing has.
 */
export const WAN = {
  ...MODEL_STUDIO,
  family: 'wanxiang',
  services: inRegions('models', ['beijing', 'singapore', 'virginia']),
} satisfies Partial<ModelEntry>;

/** "Model pricing" has a price of each region that has a model. */
export const PRICES = 'model-pricing';

export const SIZES = {
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
} satisfies ModelEntry['sizes'];

export const COMMON = {
  negativePrompt: { kind: 'text', maxLength: 500 },
  seed: SEED,
  watermark: WATERMARK,
  promptExtend: { kind: 'flag', allowed: [true, false], default: true },
} satisfies Partial<Parameters>;

/** "[360, 2000] pixels, at most 10 MB, PNG without transparency." */
const FRAME = {
  kind: 'image',
  limits: limitsAt('image-to-video-api-reference', {
    minSide: 360,
    maxSide: 2000,
    maxBytes: 10_000_000,
    transparency: false,
  }),
} as const;
const IMAGE = { image: FRAME } as const;

const NEEDS_LAST_FRAME: Rules = [{ require: { parameter: 'lastFrame', given: true } }];

/** The protocol of wan2.1 to wan2.6, with pixel sizes and separate models for images. */
const legacy = (
  id: string,
  title: string,
  released: string,
  tiers: Resolutions,
  parameters: Pick<Parameters, 'duration' | 'generateAudio'> & Partial<Parameters>,
  rules: Rules = [],
): Omit<ModelEntry, 'price' | 'promptMaxLength'> => ({
  ...WAN,
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

/** Only Beijing spells Wan 2.1 with an x. */
const wan21 = (
  mode: string,
  title: string,
  tiers: Resolutions,
  parameters: Pick<Parameters, 'duration'> & Partial<Parameters>,
  rules?: Rules,
): Omit<ModelEntry, 'price'> => ({
  ...legacy(`wanx2.1-${mode}`, title, '2025-01-10', tiers, { ...parameters, generateAudio: SILENT }, rules),
  aliases: [`wan2.1-${mode}`],
  services: inRegions(PRICES, ['beijing', 'singapore'], { singapore: `wan2.1-${mode}` }),
  promptMaxLength: 800,
});

/** "[240, 5000] pixels, at most 20 MB", only by public URL. */
const IMAGES = limitsAt('wan-video-to-video-api-reference', {
  minSide: 240,
  maxSide: 5000,
  maxBytes: 20_000_000,
  by: 'url',
});

/** "Wan reference-to-video API reference (2.6)": character1, character2, … in the prompt are the references in their order. Nothing rewrites the prompt. */
function references(
  id: string,
  title: string,
  generateAudio: Parameters['generateAudio'],
): Omit<ModelEntry, 'price'> {
  const { promptExtend: _, ...common } = COMMON;
  return {
    ...WAN,
    id,
    title,
    released: '2025-12-16',
    upstreamModel: id,
    promptMaxLength: 1500,
    parameters: {
      ...common,
      duration: { kind: 'range', min: 2, max: 10, default: 5 },
      resolution: resolutions('720p', '1080p'),
      aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
      generateAudio,
      // "Up to five images and three videos, five together", only by public URL.
      references: {
        kind: 'references',
        max: 5,
        takes: [
          { type: 'image', max: 5, limits: IMAGES },
          { type: 'video', max: 3, limits: { ...CLIP, minSeconds: 1, maxSeconds: 30 } },
        ],
      },
    },
    rules: NEEDS_REFERENCES,
    sizes: SIZES,
  };
}

/** "Of the input videos, up to five seconds are billed": 5 of one, 2.5 of each of two, 1.65 of each of three. */
const R2V_SECONDS = 5;

/** Wan 2.1 to 2.6. */
export const WAN_LEGACY: readonly ModelEntry[] = [
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
    ...legacy(
      'wan2.6-i2v-flash',
      'Wan 2.6 image to video Flash',
      '2025-12-16',
      ['720p', '1080p'],
      { ...IMAGE, duration: { kind: 'range', min: 2, max: 15, default: 5 }, generateAudio: SOUND_OR_NOT },
      FROM_IMAGE,
    ),
    promptMaxLength: 1500,
    services: inRegions(PRICES, ['beijing', 'singapore']),
    price: withSilent(dollars({ '720p': 0.05, '1080p': 0.075 }), { '720p': 0.025, '1080p': 0.0375 }),
  },
  {
    ...references('wan2.6-r2v', 'Wan 2.6 reference to video', WITH_SOUND),
    price: withVideos(dollars({ '720p': 0.1, '1080p': 0.15 }), R2V_SECONDS),
  },
  {
    ...references('wan2.6-r2v-flash', 'Wan 2.6 reference to video Flash', SOUND_OR_NOT),
    services: inRegions(PRICES, ['beijing', 'singapore']),
    price: withVideos(
      withSilent(dollars({ '720p': 0.05, '1080p': 0.075 }), { '720p': 0.025, '1080p': 0.0375 }),
      R2V_SECONDS,
    ),
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
      { ...IMAGE, lastFrame: FRAME, duration: FIVE_SECONDS, generateAudio: SILENT },
      [...FROM_IMAGE, ...NEEDS_LAST_FRAME],
    ),
    promptMaxLength: 800,
    services: inRegions(PRICES, ['beijing']),
    price: yuan({ '480p': 0.1, '720p': 0.2, '1080p': 0.48 }),
  },
  {
    ...wan21('t2v-turbo', 'Wan 2.1 text to video Turbo', ['480p', '720p'], { duration: FIVE_SECONDS }),
    price: dollars({ '480p': 0.036, '720p': 0.036 }),
  },
  {
    ...wan21('t2v-plus', 'Wan 2.1 text to video Plus', ['720p'], { duration: FIVE_SECONDS }),
    price: dollars({ '720p': 0.1 }),
  },
  {
    ...wan21(
      'i2v-turbo',
      'Wan 2.1 image to video Turbo',
      ['480p', '720p'],
      { ...IMAGE, duration: { kind: 'numbers', allowed: [3, 4, 5], default: 5 } },
      FROM_IMAGE,
    ),
    price: dollars({ '480p': 0.036, '720p': 0.036 }),
  },
  {
    ...wan21(
      'i2v-plus',
      'Wan 2.1 image to video Plus',
      ['720p'],
      { ...IMAGE, duration: FIVE_SECONDS },
      FROM_IMAGE,
    ),
    price: dollars({ '720p': 0.1 }),
  },
  {
    ...wan21(
      'kf2v-plus',
      'Wan 2.1 first and last frame Plus',
      ['720p'],
      { ...IMAGE, lastFrame: FRAME, duration: FIVE_SECONDS },
      [...FROM_IMAGE, ...NEEDS_LAST_FRAME],
    ),
    price: dollars({ '720p': 0.1 }),
  },
];
