import type { ModelEntry } from '../model.ts';
import {
  CLIP,
  CLIP_2_7,
  dollars,
  inRegions,
  LAST_NEEDS_FIRST,
  limitsAt,
  NEEDS_REFERENCES,
  NEEDS_SOURCE,
  type Parameters,
  ratios,
  resolutions,
  SEED,
  SHAPE_FROM_IMAGE,
  SOUND,
  SOUND_OR_NOT,
  WATERMARK,
  WITH_SOUND,
  withVideos,
} from './modelStudio.ts';
import { COMMON, PRICES, SIZES, WAN, WAN_LEGACY } from './wanxiangLegacy.ts';

/** "[240, 8000] pixels, 1:8 to 8:1, at most 20 MB, PNG without transparency" for frames and references of 2.7 and 3.0. */
const LIMITS = limitsAt('wan-video-generation-api-reference', {
  minSide: 240,
  maxSide: 8000,
  minRatio: 1 / 8,
  maxRatio: 8,
  maxBytes: 20_000_000,
  transparency: false,
});
const FRAME = { kind: 'image', limits: LIMITS } as const;

/** Sources: see wanxiangLegacy.ts. The sizes of 2.7 differ from those of 2.6 in two ratios. */
const WAN_2_7 = {
  ...WAN,
  released: '2026-04-02',
  promptMaxLength: 5000,
  sizes: {
    '720p': { ...SIZES['720p'], '4:3': ['1104x832'], '3:4': ['832x1104'] },
    '1080p': { ...SIZES['1080p'], '4:3': ['1648x1248'], '3:4': ['1248x1648'] },
  },
  price: dollars({ '720p': 0.1, '1080p': 0.15 }),
} satisfies Partial<ModelEntry>;

const PARAMETERS_2_7: Parameters = {
  ...COMMON,
  duration: { kind: 'range', min: 2, max: 15, default: 5 },
  resolution: resolutions('720p', '1080p'),
  aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
  generateAudio: WITH_SOUND,
};

/**
 * "Wan3.0 video generation API reference": no negative prompt; `prompt_extend` is documented, but services that resell the model report that it
 * was removed, so it is only sent if the caller asks for it. All addresses there are those of workspaces.
 */
const WAN_3_0 = {
  ...WAN,
  released: '2026-09-01',
  promptMaxLength: 20_000,
  parameters: {
    seed: SEED,
    watermark: WATERMARK,
    promptExtend: { kind: 'flag', allowed: [true, false] },
    duration: { kind: 'range', min: 2, max: 30, default: 5, auto: true },
    resolution: resolutions('480p', '720p', '1080p'),
    aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4', '21:9'),
    image: FRAME,
    lastFrame: FRAME,
    references: {
      kind: 'references',
      takes: [
        { type: 'image', max: 10, limits: LIMITS },
        { type: 'video', max: 5, limits: { ...CLIP, minSeconds: 1, maxSeconds: 15, totalSeconds: 15 } },
        { type: 'audio', max: 5, limits: { ...SOUND, minSeconds: 1, maxSeconds: 15, totalSeconds: 15 } },
      ],
    },
    generateAudio: SOUND_OR_NOT,
  },
  rules: [
    ...LAST_NEEDS_FIRST,
    SHAPE_FROM_IMAGE,
    { when: { parameter: 'references', given: true }, require: { parameter: 'image', given: false } },
  ],
  notes: ['Documented only for the workspace URL of Model Studio as base URL.'],
} satisfies Partial<ModelEntry>;

const WITH_CLIP = { parameter: 'references', role: 'first_clip', given: true } as const;
const WITHOUT_CLIP = { ...WITH_CLIP, given: false } as const;

export const WANXIANG: readonly ModelEntry[] = [
  {
    ...WAN_3_0,
    id: 'wan3.0-video',
    title: 'Wan 3.0',
    upstreamModel: 'wan3.0-video',
    price: withVideos(dollars({ '480p': 0.05, '720p': 0.1, '1080p': 0.2 }), 15),
    typical: { medianSeconds: 240, p90Seconds: 900 },
  },
  {
    ...WAN_3_0,
    id: 'wan3.0-video-prime',
    title: 'Wan 3.0 Prime',
    upstreamModel: 'wan3.0-video-prime',
    price: withVideos(dollars({ '480p': 0.068, '720p': 0.14, '1080p': 0.28 }), 15),
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-t2v',
    title: 'Wan 2.7 text to video',
    upstreamModel: 'wan2.7-t2v',
    parameters: PARAMETERS_2_7,
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-i2v',
    title: 'Wan 2.7 image to video',
    upstreamModel: 'wan2.7-i2v',
    parameters: {
      ...PARAMETERS_2_7,
      image: FRAME,
      lastFrame: FRAME,
      references: {
        kind: 'references',
        takes: [
          {
            type: 'video',
            role: 'first_clip',
            max: 1,
            limits: { ...CLIP_2_7, minSeconds: 2, maxSeconds: 10 },
          },
          {
            type: 'audio',
            role: 'driving_audio',
            max: 1,
            limits: { ...SOUND, minSeconds: 2, maxSeconds: 30 },
          },
        ],
      },
    },
    // "Material combinations": a first frame, or a clip to continue, each with a last frame; sound only with a first frame.
    rules: [
      { when: WITHOUT_CLIP, require: { parameter: 'image', given: true } },
      { when: WITH_CLIP, require: { parameter: 'image', given: false } },
      { when: WITH_CLIP, require: { parameter: 'references', role: 'driving_audio', given: false } },
      SHAPE_FROM_IMAGE,
      {
        when: WITH_CLIP,
        note: 'The video begins with the clip, and has its shape; aspect_ratio is not sent.',
      },
    ],
    price: withVideos(WAN_2_7.price),
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-r2v',
    title: 'Wan 2.7 reference to video',
    upstreamModel: 'wan2.7-r2v',
    parameters: {
      ...PARAMETERS_2_7,
      image: FRAME,
      references: {
        kind: 'references',
        max: 5,
        takes: [
          { type: 'image', max: 5, limits: LIMITS },
          { type: 'video', max: 5, limits: { ...CLIP_2_7, minSeconds: 1, maxSeconds: 30 } },
        ],
      },
    },
    rules: [
      ...NEEDS_REFERENCES,
      {
        when: { parameter: 'references', type: 'video', given: true },
        require: { parameter: 'duration', in: [2, 3, 4, 5, 6, 7, 8, 9, 10] },
      },
      SHAPE_FROM_IMAGE,
    ],
    price: withVideos(WAN_2_7.price),
  },
  {
    ...WAN_2_7,
    id: 'wan2.7-videoedit',
    title: 'Wan 2.7 video editing',
    upstreamModel: 'wan2.7-videoedit',
    services: inRegions(PRICES, ['beijing', 'singapore']),
    parameters: {
      ...PARAMETERS_2_7,
      duration: { kind: 'range', min: 2, max: 10, default: 5, auto: true },
      references: {
        kind: 'references',
        takes: [
          { type: 'video', role: 'source', max: 1, limits: { ...CLIP_2_7, minSeconds: 2, maxSeconds: 10 } },
          { type: 'image', max: 4, limits: LIMITS },
        ],
      },
    },
    rules: [
      ...NEEDS_SOURCE,
      {
        when: { parameter: 'references', role: 'source', given: true },
        note: 'The video has the shape of the source; aspect_ratio is not sent. duration cuts it off, and a shorter source is not extended; with -1 it is as long as the source.',
      },
    ],
    price: withVideos(WAN_2_7.price),
  },
  {
    // An id of the reference service. No upstream has a model of this name.
    ...WAN_2_7,
    id: 'wanx-video-v1',
    title: 'Wanxiang Video',
    upstreamModel: 'wan2.7-t2v',
    upstreamModels: [{ when: { parameter: 'image', given: true }, upstreamModel: 'wan2.7-i2v' }],
    parameters: {
      ...PARAMETERS_2_7,
      image: FRAME,
      style: { kind: 'text', maxLength: 100, appendToPrompt: true },
    },
    rules: [SHAPE_FROM_IMAGE],
    notes: ['Served by Wan 2.7, which has no style parameter, so style is appended to the prompt.'],
  },
  ...WAN_LEGACY,
];
