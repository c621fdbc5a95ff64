import { MICROS } from '../../tasks/money.ts';
import type { ModelEntry } from '../model.ts';
import { images } from './references.ts';

/**
 * Sources: docs.x.ai, "Video generation", "Image-to-video", "Reference-to-video" and "Models and pricing". The parameters are those
 * that @ai-sdk/xai 5.0.12 sends (xai-video-model.ts). xAI also supports the ratios 3:2 and 2:3, which our API does not have.
 */
const SHARED = {
  family: 'grok',
  provider: 'xai',
  services: { xai: { source: { url: 'https://docs.x.ai/docs/models', checked: '2026-11-29' } } },
  delivery: 'url',
  // REST API reference, `prompt`: "maximum 4,096 characters".
  promptMaxLength: 4096,
  // "Typically takes up to several minutes."
  typical: { medianSeconds: 45, p90Seconds: 180 },
  cancel: 'none',
  rules: [{ when: { parameter: 'references', given: true }, require: { parameter: 'image', given: false } }],
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];

/** "Referencing Files as Input": what any image of Imagine may be. No other limit is stated. */
const IMAGE = {
  kind: 'image',
  limits: {
    formats: ['png', 'jpeg', 'webp'],
    source: {
      url: 'https://docs.x.ai/developers/model-capabilities/imagine/files/inputs',
      checked: '2026-11-29',
    },
  },
} satisfies Parameters['image'];

const PARAMETERS: Parameters = {
  duration: { kind: 'range', min: 1, max: 15, default: 8 },
  resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1', '4:3', '3:4'], default: '16:9' },
  image: IMAGE,
  references: images(7, IMAGE.limits),
  generateAudio: { kind: 'flag', allowed: [true, false], default: true },
};

/** US dollars per second, by resolution, and for each input image. */
const dollars = (
  rates: readonly [resolution: '480p' | '720p' | '1080p', perSecond: number][],
  perImage: number,
): ModelEntry['price'] => ({
  currency: 'USD',
  rates: rates.map(([resolution, perSecond]) => ({
    resolution,
    microsPerSecond: Math.round(perSecond * MICROS),
  })),
  images: { free: 0, microsEach: Math.round(perImage * MICROS) },
  billing:
    'Per second of video, with or without audio; xAI also charges for videos that its moderation rejects.',
  sources: [{ url: 'https://docs.x.ai/docs/models', checked: '2026-11-29' }],
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
      lastFrame: IMAGE,
    },
    rules: [
      ...SHARED.rules,
      { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
      {
        when: { parameter: 'references', given: true },
        require: { parameter: 'resolution', in: ['480p', '720p'] },
      },
    ],
    price: dollars(
      [
        ['480p', 0.08],
        ['720p', 0.14],
        ['1080p', 0.25],
      ],
      0.01,
    ),
  },
  {
    ...SHARED,
    id: 'grok-imagine-video-1.5-lite',
    title: 'Grok Imagine Video 1.5 Lite',
    released: '2026-05-18',
    upstreamModel: 'grok-imagine-video-1.5-lite',
    notes: [
      'The price of an input image is that of Grok Imagine Video 1.5, because its own could not be confirmed.',
    ],
    parameters: PARAMETERS,
    price: dollars(
      [
        ['480p', 0.02],
        ['720p', 0.035],
      ],
      0.01,
    ),
  },
  {
    ...SHARED,
    id: 'grok-imagine-video',
    title: 'Grok Imagine Video',
    released: '2026-01-28',
    upstreamModel: 'grok-imagine-video',
    parameters: PARAMETERS,
    price: dollars(
      [
        ['480p', 0.05],
        ['720p', 0.07],
      ],
      0.002,
    ),
  },
];
