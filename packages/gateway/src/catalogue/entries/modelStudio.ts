import type { ImageLimits, ModelEntry } from '../model.ts';
import type { Limits } from './references.ts';

type Region = 'beijing' | 'singapore' | 'virginia';

/** The regions that have a model, by a page of Model Studio's documentation. `names`: what regions call it, if they differ. */
export const inRegions = (
  page: string,
  regions: readonly Region[],
  names: Partial<Record<Region, string>> = {},
): ModelEntry['services'] =>
  Object.fromEntries(
    regions.map((region) => {
      const upstreamModel = names[region];
      const source = { url: `https://help.aliyun.com/zh/model-studio/${page}`, checked: '2026-11-29' };
      return [region, { source, ...(upstreamModel === undefined ? {} : { upstreamModel }) }];
    }),
  );

/** What the entries of Alibaba Cloud Model Studio (DashScope) share. */
export const MODEL_STUDIO = {
  provider: 'dashscope',
  delivery: 'url',
  // "One to five minutes."
  typical: { medianSeconds: 120, p90Seconds: 300 },
  // Model Studio, "Manage asynchronous tasks": only PENDING tasks can be cancelled.
  cancel: 'queued',
} satisfies Partial<ModelEntry>;

export type Parameters = ModelEntry['parameters'];
export type Rules = NonNullable<ModelEntry['rules']>;
export type Resolutions = Parameters['resolution']['allowed'];

export const SILENT: NonNullable<Parameters['generateAudio']> = {
  kind: 'flag',
  allowed: [false],
  default: false,
};
export const WITH_SOUND: NonNullable<Parameters['generateAudio']> = {
  kind: 'flag',
  allowed: [true],
  default: true,
};
export const SOUND_OR_NOT: NonNullable<Parameters['generateAudio']> = {
  kind: 'flag',
  allowed: [true, false],
  default: true,
};

export const SEED: NonNullable<Parameters['seed']> = { kind: 'range', min: 0, max: 2_147_483_647 };
export const WATERMARK: NonNullable<Parameters['watermark']> = {
  kind: 'flag',
  allowed: [true, false],
  default: false,
};

/** Limits of images, by a page of Model Studio's documentation. */
export const limitsAt = (page: string, limits: Omit<ImageLimits, 'source'>): ImageLimits => ({
  ...limits,
  source: { url: `https://help.aliyun.com/zh/model-studio/${page}`, checked: '2026-11-29' },
});

/** A public link only; MP4 or MOV of up to 100 MB. */
export const CLIP: Limits = { formats: ['mp4', 'mov'], maxBytes: 100_000_000, by: 'url' };
/** "Wan2.7 image-to-video", "reference-to-video" and "video editing": sides of 240 to 4096 pixels, 1:8 to 8:1. */
export const CLIP_2_7: Limits = { ...CLIP, minSide: 240, maxSide: 4096, minRatio: 1 / 8, maxRatio: 8 };
/** WAV or MP3 of up to 15 MB. */
export const SOUND: Limits = { formats: ['wav', 'mp3'], maxBytes: 15_000_000, by: 'url' };

/** A model that only edits a video. */
export const NEEDS_SOURCE: Rules = [
  { require: { parameter: 'references', type: 'video', role: 'source', given: true } },
];
export const NEEDS_REFERENCES: Rules = [{ require: { parameter: 'references', given: true } }];
export const SHAPE_FROM_IMAGE = {
  when: { parameter: 'image', given: true },
  note: 'The video has the shape of image; aspect_ratio is not sent.',
} as const satisfies Rules[number];
export const FROM_IMAGE: Rules = [{ require: { parameter: 'image', given: true } }, SHAPE_FROM_IMAGE];
export const LAST_NEEDS_FIRST: Rules = [
  { when: { parameter: 'lastFrame', given: true }, require: { parameter: 'image', given: true } },
];

export const resolutions = (...allowed: Resolutions): Parameters['resolution'] => ({
  kind: 'choice',
  allowed,
  default: allowed.includes('720p') ? '720p' : '1080p',
});
export const ratios = (...allowed: Parameters['aspectRatio']['allowed']): Parameters['aspectRatio'] => ({
  kind: 'choice',
  allowed,
  default: '16:9',
});

type PerSecond = Partial<Record<Resolutions[number], number>>;

/** A price per second, by resolution. */
const priceIn = (currency: string, rates: PerSecond): ModelEntry['price'] => ({
  currency,
  rates: ratesOf(rates),
  billing: 'Per second of finished video; failed videos are not charged.',
  sources: [{ url: 'https://help.aliyun.com/zh/model-studio/model-pricing', checked: '2026-11-29' }],
});
export const dollars = (rates: PerSecond): ModelEntry['price'] => priceIn('USD', rates);
/** The seconds of input videos cost as much as those of the result, of which `most` at most. */
export const withVideos = (price: ModelEntry['price'], most?: number): ModelEntry['price'] => ({
  ...price,
  videos: most === undefined ? {} : { most },
});
/** For models that only Beijing has. */
export const yuan = (rates: PerSecond): ModelEntry['price'] => priceIn('CNY', rates);

/** A price that depends on sound, too. */
export const withSilent = (price: ModelEntry['price'], silent: PerSecond): ModelEntry['price'] => ({
  ...price,
  rates: [...ratesOf(silent).map((rate) => ({ ...rate, generateAudio: false })), ...price.rates],
});

const ratesOf = (rates: PerSecond): ModelEntry['price']['rates'] =>
  Object.entries(rates).map(([resolution, perSecond]) => ({
    // The keys are resolutions by the type above.
    resolution: resolution as Resolutions[number],
    microsPerSecond: Math.round(perSecond * 1_000_000),
  }));
