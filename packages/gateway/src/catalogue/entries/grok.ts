import type { ModelEntry } from '../model.ts';

/**
 * Sources: docs.x.ai, "Video generation", "Image-to-video", "Reference-to-video" and "Models and pricing". The parameters are those
 * that @ai-sdk/xai 5.0.12 sends (xai-video-model.ts). xAI also supports the ratios 3:2 and 2:3, which our API does not have.
 */
const SHARED = {
  family: 'grok',
  provider: 'xai',
  delivery: 'url',
  // REST API reference, `prompt`: "maximum 4,096 characters".
  promptMaxLength: 4096,
  // "Typically takes up to several minutes."
  typical: { medianSeconds: 45, p90Seconds: 180 },
  cancel: 'none',
  rules: [
    { when: { parameter: 'referenceImages', given: true }, require: { parameter: 'image', given: false } },
  ],
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];

const PARAMETERS: Parameters = {
  duration: { kind: 'range', min: 1, max: 15, default: 8 },
  resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1', '4:3', '3:4'], default: '16:9' },
  image: { kind: 'image' },
  referenceImages: { kind: 'images', max: 7 },
  generateAudio: { kind: 'flag', allowed: [true, false], default: true },
};

/** US dollars per second, by resolution. Each input image costs a fraction of a cent more. */
const dollars = (rates: readonly [resolution: '480p' | '720p' | '1080p', perSecond: number][]) => ({
  currency: 'USD',
  rates: rates.map(([resolution, perSecond]) => ({
    resolution,
    microsPerSecond: Math.round(perSecond * 1_000_000),
  })),
  billing:
    'Per second of video, with or without audio; xAI also charges for videos that its moderation rejects.',
});

export const GROK: readonly ModelEntry[] = [
  {
    ...SHARED,
    id: 'grok-imagine-video-1.5',
    aliases: ['grok-imagine-video-1.5-preview'],
    title: 'Grok Imagine Video 1.5',
    released: '2026-05-18',
    upstreamModel: 'grok-imagine-video-1.5',
    parameters: {
      ...PARAMETERS,
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      lastFrame: { kind: 'image' },
    },
    rules: [
      ...SHARED.rules,
      { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
      {
        when: { parameter: 'referenceImages', given: true },
        require: { parameter: 'resolution', in: ['480p', '720p'] },
      },
    ],
    price: dollars([
      ['480p', 0.08],
      ['720p', 0.14],
      ['1080p', 0.25],
    ]),
  },
  {
    ...SHARED,
    id: 'grok-imagine-video-1.5-lite',
    title: 'Grok Imagine Video 1.5 Lite',
    released: '2026-05-18',
    upstreamModel: 'grok-imagine-video-1.5-lite',
    parameters: PARAMETERS,
    price: dollars([
      ['480p', 0.02],
      ['720p', 0.035],
    ]),
  },
  {
    ...SHARED,
    id: 'grok-imagine-video',
    title: 'Grok Imagine Video',
    released: '2026-01-28',
    upstreamModel: 'grok-imagine-video',
    parameters: PARAMETERS,
    price: dollars([
      ['480p', 0.05],
      ['720p', 0.07],
    ]),
  },
];
