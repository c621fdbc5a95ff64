import type { ModelEntry } from '../model.ts';
import {
  CLIP,
  inRegions,
  LAST_NEEDS_FIRST,
  limitsAt,
  MODEL_STUDIO,
  ratios,
  resolutions,
  SHAPE_FROM_IMAGE,
  WATERMARK,
  withSilent,
  yuan,
} from './modelStudio.ts';
import type { Limits } from './references.ts';

const PAGE = 'kling-video-generation-api-reference';

const FRAME = {
  kind: 'image',
  limits: limitsAt(PAGE, {
    minSide: 300,
    maxSide: 8000,
    minRatio: 1 / 2.5,
    maxRatio: 2.5,
    maxBytes: 10_000_000,
    formats: ['jpeg', 'png'],
    transparency: false,
    by: 'url',
  }),
} as const;

/**
 * Kling on Alibaba Cloud Model Studio. Sources: "Kling video generation API reference" for fields and limits; the prices of its page in the
 * console, which several gateways state alike. Kling at fal is in fal.ts.
 */
const KLING_3 = {
  ...MODEL_STUDIO,
  id: 'dashscope-kling-v3',
  title: 'Kling 3.0 at Model Studio',
  family: 'kling',
  released: '2026-03-27',
  upstreamModel: 'kling/kling-v3-video-generation',
  // "Only for the region China (Beijing)."
  services: inRegions(PAGE, ['beijing']),
  promptMaxLength: 2500,
  parameters: {
    image: FRAME,
    lastFrame: FRAME,
    duration: { kind: 'range', min: 3, max: 15, default: 5 },
    resolution: resolutions('720p', '1080p'),
    aspectRatio: ratios('16:9', '9:16', '1:1'),
    generateAudio: { kind: 'flag', allowed: [true, false], default: false },
    watermark: WATERMARK,
  },
  rules: [...LAST_NEEDS_FIRST, SHAPE_FROM_IMAGE],
  price: withSilent(yuan({ '720p': 0.9, '1080p': 1.2 }), { '720p': 0.6, '1080p': 0.8 }),
  notes: [
    'The price is that of services that resell the model, because no page of Model Studio states it; if yours differs, set it under "models".',
  ],
} satisfies ModelEntry;

/** "Reference videos: 3 to 10 s, 720 to 2160 pixels a side, 24 to 60 frames a second, 200 MB." */
const VIDEO: Limits = {
  ...CLIP,
  maxBytes: 200_000_000,
  minSeconds: 3,
  maxSeconds: 10,
  minSide: 720,
  maxSide: 2160,
  minFps: 24,
  maxFps: 60,
};
const WITH_VIDEO = { parameter: 'references', type: 'video', given: true } as const;
const WITH_SOURCE = { parameter: 'references', role: 'source', given: true } as const;

export const KLING: readonly ModelEntry[] = [
  KLING_3,
  {
    ...KLING_3,
    id: 'dashscope-kling-v3-omni',
    title: 'Kling 3.0 Omni at Model Studio',
    upstreamModel: 'kling/kling-v3-omni-video-generation',
    parameters: {
      ...KLING_3.parameters,
      references: {
        kind: 'references',
        takes: [
          { type: 'image', max: 7, limits: FRAME.limits },
          { type: 'video', max: 1, limits: VIDEO },
          { type: 'video', role: 'source', max: 1, setsDuration: true, limits: VIDEO },
        ],
      },
    },
    rules: [
      ...KLING_3.rules,
      { when: WITH_VIDEO, require: { parameter: 'generateAudio', in: [false] } },
      { when: WITH_SOURCE, require: { parameter: 'image', given: false } },
      // One video: as `feature`, or as `base`, which is edited.
      { when: WITH_SOURCE, require: { ...WITH_VIDEO, role: null, given: false } },
      {
        when: WITH_SOURCE,
        note: 'The video has the shape and duration of the source; aspect_ratio and duration are not sent.',
      },
    ],
    // Kling's own price list charges half as much again with a video as without.
    price: {
      ...KLING_3.price,
      rates: [
        { withVideo: true, resolution: '720p', microsPerSecond: 900_000 },
        { withVideo: true, resolution: '1080p', microsPerSecond: 1_200_000 },
        ...KLING_3.price.rates,
      ],
    },
  },
];
