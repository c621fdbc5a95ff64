import type { ModelEntry } from '../model.ts';

/**
 * Sources: Replicate's API pages of the models for their inputs. Only models whose inputs have the names that
 * providers/aiSdk/packages/replicate.ts sends are possible: image, duration, aspect_ratio, resolution, seed, generate_audio,
 * negative_prompt, camera_fixed. Prices are those last seen on the model pages, so holds may be slightly wrong.
 */
const SHARED = {
  provider: 'replicate',
  delivery: 'url',
  promptMaxLength: 4000,
  typical: { medianSeconds: 90, p90Seconds: 300 },
  cancel: 'none',
  notes: ['The price is not confirmed by Replicate; if yours differs, set it under "models".'],
} satisfies Partial<ModelEntry>;

type Parameters = ModelEntry['parameters'];

/** The page of a model, which shows its inputs and its price. */
const pageOf = (model: string) => ({ url: `https://replicate.com/${model}`, checked: '2026-11-24' });

const at = (upstreamModel: string) => ({
  upstreamModel,
  services: {
    replicate: { source: pageOf(upstreamModel) },
  },
});

const BILLING = 'Per second of finished video; failed predictions are not charged.';

const SEEDANCE: Parameters = {
  duration: { kind: 'range', min: 2, max: 12, default: 5 },
  resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'], default: '16:9' },
  image: { kind: 'image' },
  seed: { kind: 'range', min: 0, max: 2_147_483_647 },
};

const VEO: Parameters = {
  duration: { kind: 'numbers', allowed: [4, 6, 8], default: 8 },
  resolution: { kind: 'choice', allowed: ['720p', '1080p'], default: '720p' },
  aspectRatio: { kind: 'choice', allowed: ['16:9', '9:16'], default: '16:9' },
  negativePrompt: { kind: 'text', maxLength: 2000 },
  image: { kind: 'image' },
  generateAudio: { kind: 'flag', allowed: [true, false], default: true },
  seed: { kind: 'range', min: 0, max: 2_147_483_647 },
};

export const REPLICATE: readonly ModelEntry[] = [
  {
    ...SHARED,
    family: 'seedance',
    id: 'replicate-seedance-2.0',
    title: 'Seedance 2.0 at Replicate',
    released: '2026-04-14',
    ...at('bytedance/seedance-2.0'),
    parameters: {
      ...SEEDANCE,
      duration: { kind: 'range', min: 4, max: 15, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
      generateAudio: { kind: 'flag', allowed: [true, false], default: true },
    },
    price: {
      currency: 'USD',
      rates: [
        { resolution: '480p', microsPerSecond: 80_000 },
        { resolution: '720p', microsPerSecond: 180_000 },
      ],
      billing: BILLING,
      sources: [pageOf('bytedance/seedance-2.0')],
    },
  },
  {
    ...SHARED,
    family: 'seedance',
    id: 'replicate-seedance-1-pro',
    title: 'Seedance 1.0 Pro at Replicate',
    released: '2025-06-16',
    ...at('bytedance/seedance-1-pro'),
    parameters: {
      ...SEEDANCE,
      cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
    },
    price: {
      currency: 'USD',
      rates: [
        { resolution: '480p', microsPerSecond: 30_000 },
        { resolution: '720p', microsPerSecond: 60_000 },
        { resolution: '1080p', microsPerSecond: 150_000 },
      ],
      billing: BILLING,
      sources: [pageOf('bytedance/seedance-1-pro')],
    },
  },
  {
    ...SHARED,
    family: 'veo',
    id: 'replicate-veo-3.1',
    title: 'Veo 3.1 at Replicate',
    released: '2025-10-15',
    ...at('google/veo-3.1'),
    parameters: VEO,
    price: {
      currency: 'USD',
      rates: [{ generateAudio: true, microsPerSecond: 400_000 }, { microsPerSecond: 200_000 }],
      billing: BILLING,
      sources: [pageOf('google/veo-3.1')],
    },
  },
  {
    ...SHARED,
    family: 'veo',
    id: 'replicate-veo-3.1-fast',
    title: 'Veo 3.1 Fast at Replicate',
    released: '2025-10-15',
    ...at('google/veo-3.1-fast'),
    parameters: VEO,
    price: {
      currency: 'USD',
      rates: [{ generateAudio: true, microsPerSecond: 150_000 }, { microsPerSecond: 100_000 }],
      billing: BILLING,
      sources: [pageOf('google/veo-3.1-fast')],
    },
  },
];
