import type { AspectRatio, Resolution } from '../../tasks/request.ts';
import type { ModelEntry } from '../model.ts';
import type { Size } from '../size.ts';

/**
 * Sources: the "Create a video generation task" pages of Volcengine Ark and BytePlus ModelArk for fields, limits and pixel
 * sizes, BytePlus "Model pricing" for prices. Names are Volcengine's; BytePlus has its own. The reference service documents 4, 6
 * and 8 s, which every range includes.
 */
const SHARED = {
  family: 'seedance',
  provider: 'ark',
  delivery: 'url',
  // The body may have 64 MB. The prompt has no documented limit, only the advice to stay below some hundred words.
  promptMaxLength: 4000,
  // DELETE only cancels queued tasks. For a finished task it deletes the record.
  cancel: 'queued',
} satisfies Partial<ModelEntry>;

const BYTEPLUS = 'byteplus';

type Sizes = Partial<Record<Resolution, Record<AspectRatio, [Size]>>>;

/** Sizes of a tier from its landscape shapes. The portrait shapes mirror them. */
const tier = (wide: Size, classic: Size, square: Size, cinema: Size): Record<AspectRatio, [Size]> => ({
  '16:9': [wide],
  '9:16': [turned(wide)],
  '4:3': [classic],
  '3:4': [turned(classic)],
  '1:1': [square],
  '21:9': [cinema],
});

const turned = (size: Size): Size => {
  const [width, height] = size.split('x').map(Number);
  return `${height ?? 0}x${width ?? 0}`;
};

const SIZES_1_0: Sizes = {
  '480p': tier('864x480', '736x544', '640x640', '960x416'),
  '720p': tier('1248x704', '1120x832', '960x960', '1504x640'),
  '1080p': tier('1920x1088', '1664x1248', '1440x1440', '2176x928'),
};
const SIZES_2_0: Sizes = {
  '480p': tier('864x496', '752x560', '640x640', '992x432'),
  '720p': tier('1280x720', '1112x834', '960x960', '1470x630'),
  '1080p': tier('1920x1080', '1664x1248', '1440x1440', '2206x946'),
  '4k': tier('3840x2160', '3326x2494', '2880x2880', '4398x1886'),
};

/** Ark bills width x height x fps x seconds / 1024 tokens. */
const FPS = 24;
const PIXELS_PER_TOKEN = 1024;

/**
 * Micro-dollars per second for the largest size of each resolution. The price of a token in micro-dollars equals that of a
 * million tokens in dollars.
 */
function rates(sizes: Sizes, resolutions: readonly Resolution[], dollarsPerMillion: number) {
  return resolutions.map((resolution) => {
    const areas = Object.values(sizes[resolution] ?? {}).map(([size]) =>
      size.split('x').reduce((area, side) => area * Number(side), 1),
    );
    const tokens = (Math.max(...areas) * FPS) / PIXELS_PER_TOKEN;
    return { resolution, microsPerSecond: Math.ceil(tokens * dollarsPerMillion) };
  });
}

const price = (priceRates: ModelEntry['price']['rates']): ModelEntry['price'] => ({
  currency: 'USD',
  rates: priceRates,
  billing:
    'By tokens (width x height x 24 x seconds / 1024), for finished videos only; shown for the largest size.',
});

type Parameters = ModelEntry['parameters'];

const RATIO: Parameters['aspectRatio'] = {
  kind: 'choice',
  allowed: ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9'],
  default: '16:9',
};
const SEED: NonNullable<Parameters['seed']> = { kind: 'range', min: -1, max: 2_147_483_647 };
const WATERMARK: NonNullable<Parameters['watermark']> = {
  kind: 'flag',
  allowed: [true, false],
  default: false,
};

const SEEDANCE_1_0: Parameters = {
  duration: { kind: 'range', min: 2, max: 12, default: 5 },
  resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
  aspectRatio: RATIO,
  image: { kind: 'image' },
  lastFrame: { kind: 'image' },
  generateAudio: { kind: 'flag', allowed: [false], default: false },
  seed: SEED,
  cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
  watermark: WATERMARK,
};

const SEEDANCE_2: Parameters = {
  duration: { kind: 'range', min: 4, max: 15, default: 5 },
  resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
  aspectRatio: RATIO,
  image: { kind: 'image' },
  lastFrame: { kind: 'image' },
  referenceImages: { kind: 'images', max: 9 },
  generateAudio: { kind: 'flag', allowed: [true, false], default: true },
  seed: SEED,
  watermark: WATERMARK,
};

const LAST_NEEDS_FIRST = {
  when: { parameter: 'lastFrame', given: true },
  require: { parameter: 'image', given: true },
} as const;
/** "Frames and references cannot be mixed." */
const FRAMES_OR_REFERENCES = {
  when: { parameter: 'referenceImages', given: true },
  require: { parameter: 'image', given: false },
} as const;

const seedance1 = { ...SHARED, parameters: SEEDANCE_1_0, rules: [LAST_NEEDS_FIRST], sizes: SIZES_1_0 };
const seedance2 = { ...SHARED, rules: [LAST_NEEDS_FIRST, FRAMES_OR_REFERENCES], sizes: SIZES_2_0 };

const PRO_1_0 = {
  upstreamModel: 'doubao-seedance-1-0-pro-250528',
  upstreamModelByRegion: { [BYTEPLUS]: 'seedance-1-0-pro-250528' },
  released: '2025-05-28',
  price: price(rates(SIZES_1_0, ['480p', '720p', '1080p'], 2.5)),
  typical: { medianSeconds: 90, p90Seconds: 240 },
};

const PRO_2_0 = {
  upstreamModel: 'doubao-seedance-2-0-260128',
  upstreamModelByRegion: { [BYTEPLUS]: 'dreamina-seedance-2-0-260128' },
  typical: { medianSeconds: 140, p90Seconds: 300 },
};

export const SEEDANCE: readonly ModelEntry[] = [
  {
    ...seedance2,
    id: 'seedance-2.5',
    aliases: ['doubao-seedance-2-5-260628', 'dreamina-seedance-2-5-260628'],
    title: 'Seedance 2.5',
    released: '2026-06-28',
    upstreamModel: 'doubao-seedance-2-5-260628',
    upstreamModelByRegion: { [BYTEPLUS]: 'dreamina-seedance-2-5-260628' },
    parameters: {
      ...SEEDANCE_2,
      duration: { kind: 'range', min: 4, max: 30, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      referenceImages: { kind: 'images', max: 30 },
    },
    rules: [
      ...seedance2.rules,
      // "2.5 with frames: adaptive only."
      {
        when: { parameter: 'image', given: true },
        note: 'Seedance 2.5 makes a video with the shape of image; aspect_ratio is not sent.',
      },
    ],
    // Published for 2.5; the other sizes are those of 2.0.
    sizes: { ...SIZES_2_0, '480p': tier('854x480', '752x560', '640x640', '992x432') },
    price: price([...rates(SIZES_2_0, ['480p', '720p'], 10.7), ...rates(SIZES_2_0, ['1080p'], 11.7)]),
    typical: { medianSeconds: 180, p90Seconds: 420 },
  },
  {
    ...seedance2,
    ...PRO_2_0,
    id: 'seedance-2.0',
    aliases: ['doubao-seedance-2-0-260128', 'dreamina-seedance-2-0-260128'],
    title: 'Seedance 2.0',
    released: '2026-01-28',
    parameters: {
      ...SEEDANCE_2,
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p', '4k'], default: '720p' },
    },
    price: price(rates(SIZES_2_0, ['480p', '720p', '1080p', '4k'], 7)),
  },
  {
    ...seedance2,
    id: 'seedance-2.0-fast',
    aliases: ['doubao-seedance-2-0-fast-260128', 'dreamina-seedance-2-0-fast-260128'],
    title: 'Seedance 2.0 Fast',
    released: '2026-01-28',
    upstreamModel: 'doubao-seedance-2-0-fast-260128',
    upstreamModelByRegion: { [BYTEPLUS]: 'dreamina-seedance-2-0-fast-260128' },
    parameters: SEEDANCE_2,
    price: price(rates(SIZES_2_0, ['480p', '720p'], 5.6)),
    typical: { medianSeconds: 75, p90Seconds: 180 },
  },
  {
    ...seedance2,
    id: 'seedance-2.0-mini',
    aliases: ['doubao-seedance-2-0-mini-260615', 'dreamina-seedance-2-0-mini-260615'],
    title: 'Seedance 2.0 Mini',
    released: '2026-06-15',
    upstreamModel: 'doubao-seedance-2-0-mini-260615',
    upstreamModelByRegion: { [BYTEPLUS]: 'dreamina-seedance-2-0-mini-260615' },
    parameters: SEEDANCE_2,
    price: price(rates(SIZES_2_0, ['480p', '720p'], 3.5)),
    typical: { medianSeconds: 60, p90Seconds: 150 },
  },
  {
    ...seedance2,
    ...PRO_2_0,
    id: 'seedance-1.5-pro',
    aliases: ['doubao-seedance-1-5-pro-251215', 'seedance-1-5-pro-251215'],
    title: 'Seedance 1.5 Pro',
    released: '2025-12-15',
    redirect: {
      from: 'seedance-1-5-pro-251215',
      since: '2026-11-11',
      reason: 'ByteDance replaced it with Seedance 2',
    },
    parameters: {
      ...SEEDANCE_2,
      duration: { kind: 'range', min: 4, max: 12, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
    },
    price: price(rates(SIZES_2_0, ['480p', '720p', '1080p'], 7)),
  },
  {
    ...seedance1,
    ...PRO_1_0,
    id: 'seedance-1.0-pro',
    aliases: ['doubao-seedance-1-0-pro-250528', 'seedance-1-0-pro-250528'],
    title: 'Seedance 1.0 Pro',
  },
  {
    ...seedance1,
    id: 'seedance-1.0-pro-fast',
    aliases: ['doubao-seedance-1-0-pro-fast-251015', 'seedance-1-0-pro-fast-251015'],
    title: 'Seedance 1.0 Pro Fast',
    released: '2025-10-15',
    upstreamModel: 'doubao-seedance-1-0-pro-fast-251015',
    upstreamModelByRegion: { [BYTEPLUS]: 'seedance-1-0-pro-fast-251015' },
    parameters: withoutLastFrame(SEEDANCE_1_0),
    rules: [],
    price: price(rates(SIZES_1_0, ['480p', '720p', '1080p'], 1)),
    typical: { medianSeconds: 45, p90Seconds: 120 },
  },
  {
    ...seedance1,
    ...PRO_1_0,
    id: 'seedance-1.0',
    aliases: ['doubao-seedance-1-0-lite-t2v-250428', 'doubao-seedance-1-0-lite-i2v-250428'],
    title: 'Seedance 1.0',
    redirect: {
      from: 'seedance-1-0-lite',
      since: '2026-05-13',
      reason: 'ByteDance took the lite models offline',
    },
  },
];

function withoutLastFrame({ lastFrame: _, ...rest }: Parameters): Parameters {
  return rest;
}
