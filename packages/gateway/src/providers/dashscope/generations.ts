import type { ReferenceType, VideoRequest } from '../../tasks/request.ts';
import type { ParameterRow } from '../mapping/body.ts';

/** The differences between generations of models. */
export interface Generation {
  /** Matches the upstream names of its models. */
  readonly models: RegExp;
  readonly path: string;
  readonly parameters: readonly ParameterRow[];
  /** Frames. */
  readonly images: readonly ImageRow[];
  readonly references?: readonly ReferenceRow[];
}

export type ImageField = 'image' | 'lastFrame';

/** A list in `input`, or entries of this type in `input.media`. */
export type ReferenceTarget = { readonly list: string } | { readonly media: string };

/** Where references of a kind go, in the caller's order. */
export interface ReferenceRow {
  readonly type: ReferenceType;
  readonly role?: string;
  readonly to: ReferenceTarget;
  /** As of an image. Videos and sounds only go by their public URL. */
  readonly as: ImageRow['as'];
  readonly maxBytes?: number;
}

/** Where an input image goes in the body, and in what form. */
export interface ImageRow {
  readonly from: ImageField & keyof VideoRequest;
  /** A member of `input`, or an entry of this type in `input.media`. */
  readonly to: { readonly field: string } | { readonly media: string };
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
  // Wan 3.0: "-1: the model decides".
  {
    from: 'duration',
    to: 'parameters.duration',
    as: (duration, { autoDuration }) => (autoDuration ? -1 : duration),
  },
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

const AUDIO: ParameterRow = { from: 'generateAudio', to: 'parameters.audio' };

/** "Wan image-to-video (2.1-2.6)" and "first-and-last-frame": at most 10 MB, by URL or as `data:{MIME_type};base64,…`. */
const legacyImage = (from: ImageField, field: string): ImageRow => ({
  from,
  to: { field },
  as: 'bytes',
  maxBytes: 10 * MB,
});
/** "Wan2.7 image-to-video", "Wan3.0" and "HappyHorse": at most 20 MB. */
const media = (from: ImageField, type: string): ImageRow => ({
  from,
  to: { media: type },
  as: 'bytes',
  maxBytes: 20 * MB,
});

/** "Wan reference-to-video (2.6)": images and videos in one list, only by public URL. */
const REFERENCE_URLS: readonly ReferenceRow[] = (['image', 'video'] as const).map((type) => ({
  type,
  to: { list: 'reference_urls' },
  as: 'address',
}));

/** Images as bytes. "The URL of a video or sound must be public." */
const reference = (type: ReferenceType, media: string, role?: string): ReferenceRow => ({
  type,
  ...(role === undefined ? {} : { role }),
  to: { media },
  ...(type === 'image' ? { as: 'bytes', maxBytes: 20 * MB } : { as: 'address' }),
});

/** "Kling video generation API reference" (Model Studio): `std` makes 720P, `pro` 1080P. The ratio is that of a first frame. */
const KLING: readonly ParameterRow[] = [
  { from: 'prompt', to: 'input.prompt' },
  { from: 'duration', to: 'parameters.duration' },
  { from: 'watermark', to: 'parameters.watermark' },
  {
    from: 'resolution',
    to: 'parameters.mode',
    as: (resolution) => (resolution === '1080p' ? 'pro' : 'std'),
  },
  {
    from: 'aspectRatio',
    to: 'parameters.aspect_ratio',
    // "Required without a first frame and without a video to edit."
    as: (ratio, { image, references = [] }) =>
      image || references.some(({ role }) => role === 'source') ? undefined : ratio,
  },
  AUDIO,
];
/** At most 50 MB, only by public URL. */
const viduFrame = (from: ImageField): ImageRow => ({
  from,
  to: { media: 'image' },
  as: 'address',
  maxBytes: 50 * MB,
});
/** At most 10 MB, only by public URL. */
const klingFrame = (from: ImageField, type: string): ImageRow => ({
  from,
  to: { media: type },
  as: 'address',
  maxBytes: 10 * MB,
});

/**
 * "Vidu text-to-video", "image-to-video" (first frame; first and last frame) and "reference video API reference" (Model Studio). Each task is a
 * model of its own. Only a text and references take a `size`; a video from a frame has its shape. Media go only by public URL.
 */
const VIDU: readonly Generation[] = (
  [
    { task: 'text2video', shape: [SIZE, TIER], images: [] },
    {
      task: 'reference2video',
      shape: [SIZE, TIER],
      images: [],
      references: [{ type: 'image', to: { media: 'image' }, as: 'address' }, reference('video', 'video')],
    },
    { task: 'img2video', shape: [TIER], images: [viduFrame('image')] },
    // "The first image is the first frame, the second the last one."
    { task: 'start-end2video', shape: [TIER], images: [viduFrame('image'), viduFrame('lastFrame')] },
  ] as const
).flatMap(({ task, shape, ...inputs }) => {
  const parameters: readonly ParameterRow[] = [
    { from: 'prompt', to: 'input.prompt' },
    // "viduq2-pro_reference2video": with 0 the model plans the duration.
    {
      from: 'duration',
      to: 'parameters.duration',
      as: (duration, { autoDuration }) => (autoDuration ? 0 : duration),
    },
    { from: 'watermark', to: 'parameters.watermark' },
    { from: 'seed', to: 'parameters.seed' },
    ...shape,
  ];
  return [
    {
      // "Supported models" of `audio`: those of Q3, but for Drama, which always has sound.
      models: new RegExp(`^vidu/viduq3(?!-drama).*_${task}$`),
      path: VIDEO,
      parameters: [...parameters, AUDIO],
      ...inputs,
    },
    { models: new RegExp(`^vidu/.*_${task}$`), path: VIDEO, parameters, ...inputs },
  ];
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
    // "Supported models: wan2.6-i2v-flash."
    models: /^wan2\.6-i2v-flash/,
    path: VIDEO,
    parameters: [...SHARED, TIER, AUDIO],
    images: [legacyImage('image', 'img_url')],
  },
  {
    models: /^wanx?2\.[1-6]-i2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER],
    images: [legacyImage('image', 'img_url')],
  },
  {
    // "Supported models: wan2.6-r2v-flash."
    models: /^wan2\.6-r2v-flash/,
    path: VIDEO,
    parameters: [...SHARED, SIZE, AUDIO],
    images: [],
    references: REFERENCE_URLS,
  },
  {
    models: /^wanx?2\.[1-6]-r2v/,
    path: VIDEO,
    parameters: [...SHARED, SIZE],
    images: [],
    references: REFERENCE_URLS,
  },
  { models: /^wanx?2\.[1-6]-/, path: VIDEO, parameters: [...SHARED, SIZE], images: [] },
  {
    models: /^wan2\.7-i2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER],
    images: [media('image', 'first_frame'), media('lastFrame', 'last_frame')],
    references: [
      reference('video', 'first_clip', 'first_clip'),
      reference('audio', 'driving_audio', 'driving_audio'),
    ],
  },
  {
    models: /^wan2\.7-r2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER, RATIO_WITHOUT_FRAME],
    images: [media('image', 'first_frame')],
    references: [reference('image', 'reference_image'), reference('video', 'reference_video')],
  },
  {
    // "Wan2.7 video editing": without a ratio, the result has that of the source. "duration 0: as long as the source."
    models: /^wan2\.7-videoedit/,
    path: VIDEO,
    parameters: [
      ...SHARED.filter(({ from }) => from !== 'duration'),
      {
        from: 'duration',
        to: 'parameters.duration',
        as: (duration, { autoDuration }) => (autoDuration ? 0 : duration),
      },
      TIER,
    ],
    images: [],
    references: [reference('video', 'video', 'source'), reference('image', 'reference_image')],
  },
  { models: /^wan2\.7-/, path: VIDEO, parameters: [...SHARED, TIER, RATIO], images: [] },
  {
    // "HappyHorse image-to-video": the ratio is that of the first frame.
    models: /^happyhorse-[\d.]+-i2v/,
    path: VIDEO,
    parameters: [...SHARED, TIER],
    images: [media('image', 'first_frame')],
  },
  {
    // "HappyHorse video editing": neither ratio nor duration, which are those of the source.
    models: /^happyhorse-[\d.]+-video-edit/,
    path: VIDEO,
    parameters: [...SHARED.filter(({ from }) => from !== 'duration'), TIER],
    images: [],
    references: [reference('video', 'video', 'source'), reference('image', 'reference_image')],
  },
  {
    models: /^happyhorse-/,
    path: VIDEO,
    parameters: [...SHARED, TIER, RATIO],
    images: [],
    references: [reference('image', 'reference_image')],
  },
  {
    models: /^kling\//,
    path: VIDEO,
    parameters: KLING,
    images: [klingFrame('image', 'first_frame'), klingFrame('lastFrame', 'last_frame')],
    // Of kling-v3-omni only; the catalogue has none of them for the other.
    references: [
      { type: 'image', to: { media: 'refer' }, as: 'address' },
      reference('video', 'feature'),
      reference('video', 'base', 'source'),
    ],
  },
  ...VIDU,
];

/** "Wan3.0 video generation API reference": one model, whose media determine what it does. Unknown names are treated like it. */
const NEWEST: Generation = {
  models: /^wan3\./,
  path: VIDEO,
  parameters: [...SHARED, TIER, RATIO_OR_ADAPTIVE, AUDIO],
  images: [media('image', 'first_frame'), media('lastFrame', 'last_frame')],
  references: [
    reference('image', 'reference_image'),
    reference('video', 'reference_video'),
    reference('audio', 'reference_audio'),
  ],
};

export const generationOf = (upstreamModel: string): Generation =>
  GENERATIONS.find(({ models }) => models.test(upstreamModel)) ?? NEWEST;
