import type { ImageLimits, ModelEntry } from '../model.ts';
import { images } from './references.ts';

const PAY_AS_YOU_GO = { url: 'https://platform.minimax.io/docs/guides/pricing-paygo', checked: '2026-11-29' };
const SOURCES = [PAY_AS_YOU_GO];

/**
 * Sources: MiniMax, "Video generation v2" and "Pay as you go". The parameters are those that @ai-sdk/minimax 3.0.45 sends
 * (minimax-video-model.ts). MiniMax has the tiers 480P, 768P and 2K. 720p means 768P and 1080p means 2K; `sizes` has their pixels.
 */
const SHARED = {
  family: 'hailuo',
  provider: 'minimax',
  services: {
    minimax: {
      source: PAY_AS_YOU_GO,
    },
  },
  delivery: 'url',
  // "Each text item supports up to 7,000 characters."
  promptMaxLength: 7000,
  typical: { medianSeconds: 120, p90Seconds: 300 },
  cancel: 'none',
  sizes: {
    '720p': {
      '16:9': ['1366x768'],
      '9:16': ['768x1366'],
      '1:1': ['768x768'],
      '4:3': ['1024x768'],
      '3:4': ['768x1024'],
      '21:9': ['1792x768'],
    },
    '1080p': {
      '16:9': ['2560x1440'],
      '9:16': ['1440x2560'],
      '1:1': ['2048x2048'],
      '4:3': ['2048x1536'],
      '3:4': ['1536x2048'],
      '21:9': ['2560x1080'],
    },
  },
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];
type Rules = NonNullable<ModelEntry['rules']>;

/** "Video generation v2": sides of [256, 5760] px, ratio [0.4, 2.5], 30 MB. The ratio is stated for frames. */
const REFERENCE_LIMITS = {
  minSide: 256,
  maxSide: 5760,
  maxBytes: 30_000_000,
  source: {
    url: 'https://platform.minimax.io/docs/api-reference/video-generation-v2-create',
    checked: '2026-11-29',
  },
} satisfies ImageLimits;
const FRAME = {
  kind: 'image',
  limits: { ...REFERENCE_LIMITS, minRatio: 0.4, maxRatio: 2.5 },
} satisfies Parameters['image'];

const COMMON = {
  aspectRatio: {
    kind: 'choice',
    allowed: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'],
    default: '16:9',
  },
  image: FRAME,
  lastFrame: FRAME,
  // Videos always have sound; there is no parameter for it.
  generateAudio: { kind: 'flag', allowed: [true], default: true },
  watermark: { kind: 'flag', allowed: [true, false], default: false },
} satisfies Partial<Parameters>;

const RULES: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
  {
    when: { parameter: 'image', given: true },
    note: 'The video has the shape of image; aspect_ratio is not sent.',
  },
  { when: { parameter: 'resolution', in: ['720p'] }, note: 'For 720p, MiniMax makes 768P.' },
];

const BILLING = 'Per second of finished video; failed videos are not charged.';

export const HAILUO: readonly ModelEntry[] = [
  {
    ...SHARED,
    id: 'minimax-h3',
    aliases: ['MiniMax-H3'],
    title: 'MiniMax H3',
    released: '2026-07-30',
    upstreamModel: 'MiniMax-H3',
    parameters: {
      ...COMMON,
      duration: { kind: 'range', min: 4, max: 15, default: 5 },
      resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
      references: images(9, REFERENCE_LIMITS),
    },
    rules: [
      ...RULES,
      {
        when: { parameter: 'resolution', in: ['1080p'] },
        note: 'For 1080p, MiniMax makes 2K.',
      },
      { when: { parameter: 'references', given: true }, require: { parameter: 'image', given: false } },
    ],
    price: {
      currency: 'USD',
      rates: [
        { resolution: '720p', microsPerSecond: 80_000 },
        { resolution: '1080p', microsPerSecond: 130_000 },
      ],
      images: { free: 5, microsEach: 40_000 },
      billing: BILLING,
      sources: SOURCES,
    },
  },
  {
    ...SHARED,
    id: 'minimax-h3-max',
    aliases: ['MiniMax-H3-Max'],
    title: 'MiniMax H3 Max',
    released: '2026-09-01',
    upstreamModel: 'MiniMax-H3-Max',
    parameters: {
      ...COMMON,
      // The package raises shorter durations to 5.
      duration: { kind: 'range', min: 5, max: 15, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
    },
    rules: RULES,
    price: {
      currency: 'USD',
      // According to resellers; MiniMax's own page was not available.
      rates: [
        { resolution: '480p', microsPerSecond: 50_000 },
        { resolution: '720p', microsPerSecond: 80_000 },
      ],
      billing: BILLING,
      sources: SOURCES,
    },
    notes: ['The price is not confirmed by MiniMax; if yours differs, set it under "models".'],
  },
];
