import type { ModelEntry } from '../model.ts';

/**
 * Sources: fal's model pages of fal-ai/veo3.1, …/fast and …/lite (input schema and price). Only models whose duration has the form
 * "8s" are possible, because @ai-sdk/fal 3.0.41 sends it that way (fal-video-model.ts). The package does not support a last frame.
 */
const SHARED = {
  family: 'veo',
  provider: 'fal',
  released: '2025-10-15',
  delivery: 'url',
  promptMaxLength: 8192,
  typical: { medianSeconds: 90, p90Seconds: 240 },
  cancel: 'none',
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];
type Rates = ModelEntry['price']['rates'];

const LITE: Parameters = {
  duration: { kind: 'numbers', allowed: [4, 6, 8], default: 8 },
  resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16'], default: '16:9' },
  negativePrompt: { kind: 'text', maxLength: 2000 },
  image: { kind: 'image' },
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
): ModelEntry => ({
  ...SHARED,
  id,
  title,
  upstreamModel: app,
  upstreamModels: [{ when: { parameter: 'image', given: true }, upstreamModel: `${app}/image-to-video` }],
  parameters,
  price: { currency: 'USD', rates, billing: 'Per second of video; requests that fail are not charged.' },
});

export const FAL: readonly ModelEntry[] = [
  veoAtFal('fal-veo3.1', 'Veo 3.1 at fal', 'fal-ai/veo3.1', FULL, [
    { resolution: '4k', generateAudio: true, microsPerSecond: 600_000 },
    { resolution: '4k', microsPerSecond: 400_000 },
    { generateAudio: true, microsPerSecond: 400_000 },
    { microsPerSecond: 200_000 },
  ]),
  veoAtFal('fal-veo3.1-fast', 'Veo 3.1 Fast at fal', 'fal-ai/veo3.1/fast', LITE, [
    { generateAudio: true, microsPerSecond: 150_000 },
    { microsPerSecond: 100_000 },
  ]),
  veoAtFal('fal-veo3.1-lite', 'Veo 3.1 Lite at fal', 'fal-ai/veo3.1/lite', LITE, [
    { resolution: '1080p', generateAudio: true, microsPerSecond: 80_000 },
    { resolution: '1080p', microsPerSecond: 50_000 },
    { generateAudio: true, microsPerSecond: 50_000 },
    { microsPerSecond: 30_000 },
  ]),
];
