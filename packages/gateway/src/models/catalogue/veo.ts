import type { ModelEntry } from '../model.ts';

/**
 * Sources: Google's "Veo on Vertex AI video generation API" and the Gemini API page "Generate videos with Veo" for fields
 * and limits, the pricing pages of both for prices. Google counts a prompt in tokens, 1,024 of them;
 * 8,192 characters let every such prompt through, and the upstream refuses the few that are longer than it takes.
 */
const SHARED = {
  family: 'veo',
  provider: 'google',
  delivery: 'url',
  promptMaxLength: 8192,
  // "11 seconds to 6 minutes, at peak hours" (Gemini API, Veo, limitations).
  typical: { medianSeconds: 75, p90Seconds: 180 },
  cancel: 'none',
} satisfies Partial<ModelEntry>;

const BILLING = 'Per second of finished video; filtered videos are not charged.';

type Parameters = ModelEntry['parameters'];

/** What Veo 3.0 took. The defaults are the upstream's, but audio is off as the reference service documents it. */
const VEO_3_0: Parameters = {
  duration: { kind: 'numbers', allowed: [4, 6, 8], default: 8 },
  resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16'], default: '16:9' },
  negativePrompt: { kind: 'text', maxLength: 2000 },
  image: { kind: 'image' },
  generateAudio: { kind: 'flag', allowed: [true, false], default: false },
  seed: { kind: 'range', min: 0, max: 4_294_967_295 },
  personGeneration: { kind: 'choice', allowed: ['dont_allow', 'allow_adult', 'allow_all'] },
};

const VEO_3_1_LITE: Parameters = { ...VEO_3_0, lastFrame: { kind: 'image' } };

const VEO_3_1: Parameters = {
  ...VEO_3_1_LITE,
  resolution: { kind: 'choice', allowed: ['720p', '1080p', '4k'], default: '720p' },
  referenceImages: { kind: 'images', max: 3 },
};

type Rules = NonNullable<ModelEntry['rules']>;

/** "Must be 8 when using extension, reference images, or with 1080p and 4k resolutions." */
const LONG_WHEN_LARGE: Rules = [
  {
    when: { parameter: 'resolution', in: ['1080p', '4k'] },
    require: { parameter: 'duration', in: [8] },
  },
];
const FRAMES: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
];
const REFERENCES: Rules = [
  { when: { parameter: 'referenceImages', given: true }, require: { parameter: 'duration', in: [8] } },
  { when: { parameter: 'referenceImages', given: true }, require: { parameter: 'image', given: false } },
];

const STANDARD = {
  price: {
    currency: 'USD',
    rates: [
      // Vertex AI charges half for 720p and 1080p without audio, two thirds for 4k.
      { resolution: '4k', generateAudio: true, microsPerSecond: 600_000 },
      { resolution: '4k', microsPerSecond: 400_000 },
      { generateAudio: true, microsPerSecond: 400_000 },
      { microsPerSecond: 200_000 },
    ],
    billing: BILLING,
  },
} satisfies Partial<ModelEntry>;

const FAST = {
  typical: { medianSeconds: 45, p90Seconds: 120 },
  price: {
    currency: 'USD',
    // The price with audio; what is charged without it is not established, and a hold is an upper bound.
    rates: [
      { resolution: '4k', microsPerSecond: 300_000 },
      { resolution: '1080p', microsPerSecond: 120_000 },
      { resolution: '720p', microsPerSecond: 100_000 },
    ],
    billing: BILLING,
  },
} satisfies Partial<ModelEntry>;

/** Google shut Veo 3.0 down; 3.1 takes everything that 3.0 took. */
const RETIRED_3_0 = { since: '2026-06-30', reason: 'Google shut Veo 3.0 down' };
/** Told by resellers, not confirmed by Google; the GA models make the same videos either way. */
const RETIRED_PREVIEW = { since: '2026-10-22', reason: 'Google replaced the previews by GA models' };

const veo3 = (id: string, title: string, fast: boolean): ModelEntry => ({
  ...SHARED,
  ...(fast ? FAST : STANDARD),
  id,
  title,
  released: '2025-07-17',
  upstreamModel: fast ? 'veo-3.1-fast-generate-001' : 'veo-3.1-generate-001',
  redirect: { from: id, ...RETIRED_3_0 },
  parameters: VEO_3_0,
  rules: LONG_WHEN_LARGE,
});

const veo31 = (id: string, title: string, fast: boolean): ModelEntry => ({
  ...SHARED,
  ...(fast ? FAST : STANDARD),
  id,
  title,
  released: '2025-10-15',
  upstreamModel: fast ? 'veo-3.1-fast-generate-001' : 'veo-3.1-generate-001',
  parameters: VEO_3_1,
  rules: [...LONG_WHEN_LARGE, ...FRAMES, ...REFERENCES],
});

const preview31 = (id: string, title: string, fast: boolean): ModelEntry => ({
  ...veo31(id, title, fast),
  redirect: { from: id, ...RETIRED_PREVIEW },
});

export const VEO: readonly ModelEntry[] = [
  veo31('veo-3.1-generate-001', 'Veo 3.1', false),
  veo31('veo-3.1-fast-generate-001', 'Veo 3.1 Fast', true),
  {
    ...SHARED,
    id: 'veo-3.1-lite-generate-001',
    title: 'Veo 3.1 Lite',
    released: '2026-03-31',
    upstreamModel: 'veo-3.1-lite-generate-001',
    parameters: VEO_3_1_LITE,
    rules: [...LONG_WHEN_LARGE, ...FRAMES],
    price: {
      currency: 'USD',
      rates: [
        { resolution: '1080p', microsPerSecond: 80_000 },
        { resolution: '720p', microsPerSecond: 50_000 },
      ],
      billing: BILLING,
    },
    typical: FAST.typical,
  },
  preview31('veo-3.1-generate-preview', 'Veo 3.1 Preview', false),
  preview31('veo-3.1-fast-generate-preview', 'Veo 3.1 Fast Preview', true),
  veo3('veo-3.0-generate-001', 'Veo 3', false),
  veo3('veo-3.0-fast-generate-001', 'Veo 3 Fast', true),
  veo3('veo-3.0-generate-preview', 'Veo 3 Preview', false),
  veo3('veo-3.0-fast-generate-preview', 'Veo 3 Fast Preview', true),
];
