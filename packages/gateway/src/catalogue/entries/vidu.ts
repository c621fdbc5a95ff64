import type { ImageLimits, ModelEntry } from '../model.ts';
import {
  FROM_IMAGE,
  inRegions,
  LAST_NEEDS_FIRST,
  limitsAt,
  MODEL_STUDIO,
  NEEDS_REFERENCES,
  type Parameters,
  type Rules,
  ratios,
  resolutions,
  SEED,
  SHAPE_FROM_IMAGE,
  SILENT,
  WATERMARK,
  WITH_SOUND,
  yuan,
} from './modelStudio.ts';
import { images } from './references.ts';

const TEXT_PAGE = 'vidu-text-to-video-api-reference';
const IMAGE_PAGE = 'vidu-image-to-video-api-reference';
const REFERENCE_PAGE = 'vidu-reference-to-video-api-reference';

/**
 * Vidu on Alibaba Cloud Model Studio. Sources: "Vidu text-to-video", "image-to-video" (first frame; first and last frame) and "reference video
 * API reference" for fields and limits. Prices are those of the console as gateways that resell the models state them, the higher ones where
 * they differ. None states a price of `viduq3-pro-fast`, so it is left out. 540P is no resolution of this gateway. Vidu itself is a declared provider.
 * `released`: the day of the examples in these references, because none states a date; of Ad and Drama that of the release notes.
 */
const SHARED = {
  ...MODEL_STUDIO,
  family: 'vidu',
  released: '2026-03-27',
  promptMaxLength: 5000,
  // `size` of the references, where it differs from the standard sizes.
  sizes: {
    '720p': { '1:1': ['1280x1280'], '4:3': ['1280x960'], '3:4': ['960x1280'] },
    '1080p': { '1:1': ['1808x1808'], '4:3': ['1920x1440'], '3:4': ['1440x1920'] },
  },
  notes: [
    'The price is that of services that resell the model, because the price page of Model Studio could not be read; if yours differs, set it under "models".',
  ],
} satisfies Partial<ModelEntry>;

type Sound = NonNullable<Parameters['generateAudio']>;
const parameters = (min: number, max: number, generateAudio: Sound): Parameters => ({
  duration: { kind: 'range', min, max, default: 5 },
  resolution: resolutions('720p', '1080p'),
  aspectRatio: ratios('16:9', '9:16', '1:1', '4:3', '3:4'),
  generateAudio,
  seed: SEED,
  watermark: WATERMARK,
});
/** Silent, as Model Studio's own default is. */
const SOUND_IF_ASKED: Sound = { kind: 'flag', allowed: [true, false], default: false };
const Q3 = parameters(1, 16, SOUND_IF_ASKED);
const Q2 = parameters(1, 10, SILENT);

const IMAGE: Omit<ImageLimits, 'source'> = {
  formats: ['jpeg', 'png', 'webp'],
  minRatio: 1 / 4,
  maxRatio: 4,
  maxBytes: 50_000_000,
  by: 'url',
};
const FRAME = {
  kind: 'image',
  limits: limitsAt(IMAGE_PAGE, IMAGE),
} as const;
const FRAMES = { image: FRAME, lastFrame: FRAME };
const REFERENCE_LIMITS = limitsAt(REFERENCE_PAGE, IMAGE);

const LIKE_FRAMES: Rules = [
  {
    when: { parameter: 'lastFrame', given: true },
    note: 'Both frames must have about as many pixels: 0.8 to 1.25 times.',
  },
];

/** Each task of a model has a name of its own upstream. */
const named = (name: string, task: string): string => `vidu/vidu${name}_${task}`;
const withLastFrame = (name: string) => ({
  when: { parameter: 'lastFrame', given: true } as const,
  upstreamModel: named(name, 'start-end2video'),
});

/** From a text, a first frame, or a first and a last one. */
const fromAnything = (name: string, title: string, price: ModelEntry['price']): ModelEntry => ({
  ...SHARED,
  id: `dashscope-vidu-${name}`,
  title: `Vidu ${title} at Model Studio`,
  upstreamModel: named(name, 'text2video'),
  upstreamModels: [
    withLastFrame(name),
    { when: { parameter: 'image', given: true }, upstreamModel: named(name, 'img2video') },
  ],
  services: inRegions(TEXT_PAGE, ['beijing']),
  parameters: { ...Q3, ...FRAMES },
  rules: [...LAST_NEEDS_FIRST, SHAPE_FROM_IMAGE, ...LIKE_FRAMES],
  price,
});

/** From a first frame, or a first and a last one. */
const fromFrames = (name: string, title: string, price: ModelEntry['price']): ModelEntry => ({
  ...SHARED,
  id: `dashscope-vidu-${name}`,
  title: `Vidu ${title} at Model Studio`,
  upstreamModel: named(name, 'img2video'),
  upstreamModels: [withLastFrame(name)],
  services: inRegions(IMAGE_PAGE, ['beijing']),
  parameters: { ...Q2, ...FRAMES },
  rules: [...FROM_IMAGE, ...LIKE_FRAMES],
  price,
});

const fromReferences = (
  name: string,
  title: string,
  own: Parameters,
  price: ModelEntry['price'],
): ModelEntry => ({
  ...SHARED,
  id: `dashscope-vidu-${name}-r2v`,
  title: `Vidu ${title} reference to video at Model Studio`,
  upstreamModel: named(name, 'reference2video'),
  services: inRegions(REFERENCE_PAGE, ['beijing']),
  parameters: { references: images(7, REFERENCE_LIMITS), ...own },
  rules: NEEDS_REFERENCES,
  price,
});

/** The reference of the international site has these three for Singapore, at workspace hosts. */
const alsoInSingapore = (entry: ModelEntry, changes: Partial<ModelEntry> = {}): ModelEntry => ({
  ...entry,
  ...changes,
  services: {
    ...entry.services,
    singapore: {
      source: {
        url: `https://www.alibabacloud.com/help/en/model-studio/${REFERENCE_PAGE}`,
        checked: '2026-11-30',
      },
    },
  },
  notes: [
    ...SHARED.notes,
    'Singapore is documented only for the workspace URL of Model Studio as base URL; the price there is not known and taken to be that of Beijing.',
  ],
});

export const VIDU: readonly ModelEntry[] = [
  fromAnything('q3-pro', 'Q3 Pro', yuan({ '720p': 0.78125, '1080p': 0.9375 })),
  fromAnything('q3-turbo', 'Q3 Turbo', yuan({ '720p': 0.375, '1080p': 0.4375 })),
  alsoInSingapore(fromReferences('q3-mix', 'Q3 Mix', Q3, yuan({ '720p': 0.78125, '1080p': 0.9375 }))),
  alsoInSingapore(
    fromReferences(
      'q3-ad',
      'Q3 Ad',
      parameters(3, 15, SOUND_IF_ASKED),
      yuan({ '720p': 0.78125, '1080p': 0.9375 }),
    ),
    { released: '2026-07-09' },
  ),
  alsoInSingapore(
    fromReferences(
      'q3-drama',
      'Q3 Drama',
      { ...parameters(2, 15, WITH_SOUND), aspectRatio: ratios('16:9', '9:16') },
      yuan({ '720p': 0.875, '1080p': 0.875 }),
    ),
    { released: '2026-07-09' },
  ),
  fromReferences('q3', 'Q3', Q3, yuan({ '720p': 0.625, '1080p': 0.78125 })),
  fromReferences('q3-turbo', 'Q3 Turbo', Q3, yuan({ '720p': 0.3125, '1080p': 0.40625 })),
  {
    ...SHARED,
    id: 'dashscope-vidu-q2',
    title: 'Vidu Q2 at Model Studio',
    upstreamModel: named('q2', 'text2video'),
    services: inRegions(TEXT_PAGE, ['beijing']),
    parameters: Q2,
    price: yuan({ '720p': 0.21875, '1080p': 0.375 }),
  },
  fromFrames('q2-pro', 'Q2 Pro', yuan({ '720p': 0.34375, '1080p': 0.71875 })),
  fromFrames('q2-turbo', 'Q2 Turbo', yuan({ '720p': 0.25, '1080p': 0.46875 })),
  {
    ...SHARED,
    id: 'dashscope-vidu-q2-pro-fast',
    title: 'Vidu Q2 Pro Fast at Model Studio',
    upstreamModel: named('q2-pro-fast', 'img2video'),
    services: inRegions(IMAGE_PAGE, ['beijing']),
    parameters: { ...Q2, image: FRAME },
    rules: FROM_IMAGE,
    price: yuan({ '720p': 0.1, '1080p': 0.2 }),
  },
  fromReferences('q2', 'Q2', Q2, yuan({ '720p': 0.28125, '1080p': 0.71875 })),
  fromReferences(
    'q2-pro',
    'Q2 Pro',
    {
      ...Q2,
      duration: { kind: 'range', min: 1, max: 10, default: 5, auto: true },
      // Seven images without a video, but four with one. A single video may have 8 s, and each of two 5 s.
      references: {
        kind: 'references',
        takes: [
          { type: 'image', max: 4, limits: REFERENCE_LIMITS },
          {
            type: 'video',
            max: 2,
            with: ['image'],
            limits: {
              formats: ['mp4', 'mov'],
              minPixels: 128 * 128,
              minRatio: 1 / 4,
              maxRatio: 4,
              minSeconds: 1,
              maxSeconds: 5,
              maxBytes: 50_000_000,
              by: 'url',
            },
          },
        ],
      },
    },
    yuan({ '720p': 0.34375, '1080p': 0.78125 }),
  ),
];
