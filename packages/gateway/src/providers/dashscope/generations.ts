import type { VideoRequest } from '../../tasks/request.ts';
import type { ParameterRow } from '../mapping/body.ts';

/** The differences between generations of models. */
export interface Generation {
  /** Matches the upstream names of its models. */
  readonly models: RegExp;
  readonly path: string;
  readonly parameters: readonly ParameterRow[];
  readonly images: readonly ImageRow[];
}

export type ImageField = 'image' | 'lastFrame' | 'referenceImages';

/** Where an input image goes in the body, and in what form. */
export interface ImageRow {
  readonly from: ImageField & keyof VideoRequest;
  /** A member of `input`, a list in `input`, or an entry of this type in `input.media`. */
  readonly to: { readonly field: string } | { readonly list: string } | { readonly media: string };
  /** `bytes`: as a data URL, or by its public URL if it is too large. `address`: only by its public URL. */
  readonly as: 'bytes' | 'address';
  /** The most bytes of an image that the upstream takes. */
  readonly maxBytes: number;
}

const MB = 1_000_000;

/** "Wan text-to-video API reference (2.1-2.6)": the path for everything except videos between two frames. */
const VIDEO = '/api/v1/services/aigc/video-generation/video-synthesis';
/** "Wan first-and-last-frame-to-video API reference (2.2)". */
const FRAMES = '/api/v1/services/aigc/image2video/video-synthesis';

const SHARED: readonly ParameterRow[] = [
  { from: 'prompt', to: 'input.prompt' },
  { from: 'negativePrompt', to: 'input.negative_prompt' },
  { from: 'duration', to: 'parameters.duration' },
  { from: 'promptExtend', to: 'parameters.prompt_extend' },
  { from: 'watermark', to: 'parameters.watermark' },
  { from: 'seed', to: 'parameters.seed' },
];

const SIZE: ParameterRow = {
  from: 'width',
  to: 'parameters.size',
  as: (width, { height }) => `${width}*${height}`,
};
/** Tiers are written `720P`. */
const TIER: ParameterRow = {
  from: 'resolution',
  to: 'parameters.resolution',
  as: (resolution) => resolution.toUpperCase(),
};
const RATIO: ParameterRow = { from: 'aspectRatio', to: 'parameters.ratio' };
/** Wan 2.7 takes the ratio from a first frame. */
const RATIO_WITHOUT_FRAME: ParameterRow = {
  from: 'aspectRatio',
  to: 'parameters.ratio',
  as: (ratio, { image }) => (image ? undefined : ratio),
};
/** Wan 3 always takes a ratio. `adaptive` keeps the ratio of the first frame. */
const RATIO_OR_ADAPTIVE: ParameterRow = {
  from: 'aspectRatio',
  to: 'parameters.ratio',
  as: (ratio, { image }) => (image ? 'adaptive' : ratio),
};

/** "Wan image-to-video (2.1-2.6)" and "first-and-last-frame": at most 10 MB, by URL or as `data:{MIME_type};base64,…`. */
const legacyImage = (from: ImageField, field: string): ImageRow => ({
  from,
  to: { field },
  as: 'bytes',
  maxBytes: 10 * MB,
});
/** "Wan2.7 image-to-video" and "Wan3.0": at most 20 MB. */
const media = (from: ImageField, type: string): ImageRow => ({
  from,
  to: { media: type },
  as: 'bytes',
  maxBytes: 20 * MB,
});

/** The first match counts. */
const GENERATIONS: readonly Generation[] = [
  {
    models: /^wanx?2\.[1-6]-kf2v/,
    path: FRAMES,
    parameters: [...SHARED, TIER],
    images: [legacyImage('image', 'first_frame_url'), legacyImage('lastFrame', 'last_frame_url')],
  },
  {
    models: /^wanx?2\.[1-6]-i2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER],
    images: [legacyImage('image', 'img_url')],
  },
  {
    // "Wan reference-to-video (2.6)": only public URLs.
    models: /^wanx?2\.[1-6]-r2v/,
    path: VIDEO,
    parameters: [...SHARED, SIZE],
    images: [{ from: 'referenceImages', to: { list: 'reference_urls' }, as: 'address', maxBytes: 10 * MB }],
  },
  { models: /^wanx?2\.[1-6]-/, path: VIDEO, parameters: [...SHARED, SIZE], images: [] },
  {
    models: /^wan2\.7-i2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER],
    images: [media('image', 'first_frame'), media('lastFrame', 'last_frame')],
  },
  {
    models: /^wan2\.7-r2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER, RATIO_WITHOUT_FRAME],
    images: [media('referenceImages', 'reference_image'), media('image', 'first_frame')],
  },
  { models: /^wan2\.7-/, path: VIDEO, parameters: [...SHARED, TIER, RATIO], images: [] },
];

/** "Wan3.0 video generation API reference": one model, whose media determine what it does. Unknown names are treated like it. */
const NEWEST: Generation = {
  models: /^wan3\./,
  path: VIDEO,
  parameters: [...SHARED, TIER, RATIO_OR_ADAPTIVE, { from: 'generateAudio', to: 'parameters.audio' }],
  images: [
    media('referenceImages', 'reference_image'),
    media('image', 'first_frame'),
    media('lastFrame', 'last_frame'),
  ],
};

export const generationOf = (upstreamModel: string): Generation =>
  GENERATIONS.find(({ models }) => models.test(upstreamModel)) ?? NEWEST;
