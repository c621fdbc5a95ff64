import type { ModelEntry } from '../model.ts';

/**
 * Sources: MiniMax, "Video generation v2" and "Pay as you go"; what is taken is what @ai-sdk/minimax 3.0.45 sends on
 * (minimax-video-model.ts). The tiers are 480P, 768P and 2K: 720p means 768P and 1080p means 2K, with the pixels told.
 */
const SHARED = {
  family: 'hailuo',
  provider: 'minimax',
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

const COMMON = {
  aspectRatio: {
    kind: 'choice',
    allowed: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'],
    default: '16:9',
  },
  image: { kind: 'image' },
  lastFrame: { kind: 'image' },
  // Sound is always made; there is no parameter for it.
  generateAudio: { kind: 'flag', allowed: [true], default: true },
  watermark: { kind: 'flag', allowed: [true, false], default: false },
} satisfies Partial<Parameters>;

const RULES: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
  {
    when: { parameter: 'image', given: true },
    note: 'The video takes its shape from image; aspect_ratio is not sent.',
  },
  { when: { parameter: 'resolution', in: ['720p'] }, note: 'MiniMax makes 768P where 720p is asked for.' },
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
      referenceImages: { kind: 'images', max: 9 },
    },
    rules: [
      ...RULES,
      {
        when: { parameter: 'resolution', in: ['1080p'] },
        note: 'MiniMax makes 2K where 1080p is asked for.',
      },
      { when: { parameter: 'referenceImages', given: true }, require: { parameter: 'image', given: false } },
    ],
    price: {
      currency: 'USD',
      rates: [
        { resolution: '720p', microsPerSecond: 80_000 },
        { resolution: '1080p', microsPerSecond: 130_000 },
      ],
      billing: `${BILLING} Images beyond the fifth cost 0.04 USD each on top.`,
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
      // The package moves shorter ones to 5.
      duration: { kind: 'range', min: 5, max: 15, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
    },
    rules: RULES,
    price: {
      currency: 'USD',
      // As resellers tell them: MiniMax's own page was not at hand.
      rates: [
        { resolution: '480p', microsPerSecond: 50_000 },
        { resolution: '720p', microsPerSecond: 80_000 },
      ],
      billing: BILLING,
    },
    notes: ['The price is not confirmed by MiniMax; set your own under "models" where it differs.'],
  },
];
