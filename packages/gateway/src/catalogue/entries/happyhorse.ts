import type { ModelEntry } from '../model.ts';
import {
  CLIP,
  dollars,
  FROM_IMAGE,
  inRegions,
  limitsAt,
  MODEL_STUDIO,
  NEEDS_REFERENCES,
  NEEDS_SOURCE,
  type Parameters,
  ratios,
  resolutions,
  SEED,
  WATERMARK,
  WITH_SOUND,
  withVideos,
} from './modelStudio.ts';
import { images } from './references.ts';

/**
 * Sources: Alibaba Cloud Model Studio, "HappyHorse text-to-video", "image-to-video" and "reference-to-video API reference" for fields and limits.
 * Prices are those of Singapore as several services that resell the models state them. They state none for 480P, so it is left out.
 */
const SHARED = {
  ...MODEL_STUDIO,
  family: 'happyhorse',
  // 5000 characters, or 2500 Chinese ones; the rest is cut off.
  promptMaxLength: 2500,
  notes: [
    'The price is that of services that resell the model, because no page of Model Studio states it; if yours differs, set it under "models".',
  ],
} satisfies Partial<ModelEntry>;

/** The upstream's own default is a watermark. */
const PARAMETERS: Parameters = {
  duration: { kind: 'range', min: 3, max: 15, default: 5 },
  resolution: resolutions('720p', '1080p'),
  aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4', '21:9'),
  generateAudio: WITH_SOUND,
  seed: SEED,
  watermark: WATERMARK,
};

/** "Sides of at least 300 pixels, a ratio of 1:2.5 to 2.5:1, at most 20 MB." */
const FRAME = {
  kind: 'image',
  limits: limitsAt('happyhorse-image-to-video-api-reference', {
    minSide: 300,
    minRatio: 1 / 2.5,
    maxRatio: 2.5,
    maxBytes: 20_000_000,
  }),
} as const;
const REFERENCES = images(
  9,
  limitsAt('happyhorse-reference-to-video-api-reference', { maxBytes: 20_000_000 }),
);

const MODES = [
  ['t2v', 'text-to-video', {}, []],
  ['i2v', 'image-to-video', { image: FRAME }, FROM_IMAGE],
  ['r2v', 'reference-to-video', { references: REFERENCES }, NEEDS_REFERENCES],
] as const satisfies readonly (readonly [string, string, Partial<Parameters>, ModelEntry['rules']])[];

const version = (number: string, released: string, price: ModelEntry['price']): ModelEntry[] =>
  MODES.map(([mode, page, parameters, rules]) => ({
    ...SHARED,
    id: `happyhorse-${number}-${mode}`,
    title: `HappyHorse ${number} ${page.replaceAll('-', ' ')}`,
    released,
    upstreamModel: `happyhorse-${number}-${mode}`,
    services: inRegions(`happyhorse-${page}-api-reference`, ['beijing', 'singapore', 'virginia']),
    parameters: { ...PARAMETERS, ...parameters },
    rules,
    price,
  }));

/**
 * "HappyHorse video editing": a source of 3 to 60 s, of which the first 15 are edited; sides of 320 to 2160 pixels, 1:2.5 to 2.5:1, more than 8
 * frames a second. Billed by the seconds of both.
 */
const VIDEO_EDIT: ModelEntry = {
  ...SHARED,
  id: 'happyhorse-1.0-video-edit',
  title: 'HappyHorse 1.0 video editing',
  released: '2026-04-27',
  upstreamModel: 'happyhorse-1.0-video-edit',
  services: inRegions('happyhorse-video-edit-api-reference', ['beijing', 'singapore']),
  parameters: {
    ...PARAMETERS,
    references: {
      kind: 'references',
      takes: [
        {
          type: 'video',
          role: 'source',
          max: 1,
          setsDuration: true,
          limits: {
            ...CLIP,
            minSeconds: 3,
            maxSeconds: 60,
            minSide: 320,
            maxSide: 2160,
            minRatio: 0.4,
            maxRatio: 2.5,
            minFps: 9,
          },
        },
        {
          type: 'image',
          max: 5,
          limits: limitsAt('happyhorse-video-edit-api-reference', {
            minSide: 300,
            minRatio: 0.4,
            maxRatio: 2.5,
            maxBytes: 10_000_000,
          }),
        },
      ],
    },
  },
  rules: [
    ...NEEDS_SOURCE,
    {
      when: { parameter: 'references', role: 'source', given: true },
      note: 'The video has the shape and duration of the source, of which 15 s are edited; aspect_ratio and duration are not sent.',
    },
  ],
  price: withVideos(dollars({ '720p': 0.14, '1080p': 0.24 }), 15),
};

export const HAPPYHORSE: readonly ModelEntry[] = [
  VIDEO_EDIT,
  ...version('1.1', '2026-06-22', dollars({ '720p': 0.14, '1080p': 0.18 })),
  ...version('1.0', '2026-04-27', dollars({ '720p': 0.14, '1080p': 0.24 })),
];
