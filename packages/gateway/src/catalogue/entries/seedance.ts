import type { AspectRatio, Resolution } from '../../tasks/request.ts';
import type { ImageLimits, ModelEntry } from '../model.ts';
import type { Size } from '../size.ts';
import type { Limits } from './references.ts';

/**
 * Sources: the "Create a video generation task" pages of Volcengine Ark and BytePlus ModelArk for fields, limits and pixel
 * sizes, "Model pricing" of both for prices. Names are Volcengine's; BytePlus has its own. The reference service documents 4, 6
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

/** The two services and their names of a model: the release, and its prefix at BytePlus. Volcengine's prefix is always the same. */
const named = (release: string, byteplus: 'dreamina-' | '' = 'dreamina-') => ({
  upstreamModel: `doubao-${release}`,
  services: {
    volcengine: {
      source: { url: 'https://www.volcengine.com/docs/82379/1330310', checked: '2026-11-24' },
    },
    byteplus: {
      upstreamModel: `${byteplus}${release}`,
      source: { url: 'https://docs.byteplus.com/en/docs/ModelArk/1330310', checked: '2026-11-24' },
    },
  },
});

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

export const SIZES_1_0: Sizes = {
  '480p': tier('864x480', '736x544', '640x640', '960x416'),
  '720p': tier('1248x704', '1120x832', '960x960', '1504x640'),
  '1080p': tier('1920x1088', '1664x1248', '1440x1440', '2176x928'),
};
export const SIZES_2_0: Sizes = {
  '480p': tier('864x496', '752x560', '640x640', '992x432'),
  '720p': tier('1280x720', '1112x834', '960x960', '1470x630'),
  '1080p': tier('1920x1080', '1664x1248', '1440x1440', '2206x946'),
  '4k': tier('3840x2160', '3326x2494', '2880x2880', '4398x1886'),
};

/** Ark bills width x height x frames / 1024 tokens. A video has a frame more than 24 a second: 5 s at 1280x720 are reported as 108,900 tokens. */
const FPS = 24;
const PIXELS_PER_TOKEN = 1024;

/** By resolution, per million tokens, which are as many micro-units per token. */
type PerMillion = Partial<Record<Resolution, number>>;

/** The price by resolution, for its largest size. `isReported`: the service tells how many tokens it bills. */
export const tokenRates = (
  sizes: Sizes,
  price: PerMillion,
  isReported: boolean,
): ModelEntry['price']['rates'] =>
  Object.entries(price).map(([resolution, perToken]) => {
    // The keys are resolutions by the type above.
    const tier = resolution as Resolution;
    const areas = Object.values(sizes[tier] ?? {}).map(([size]) =>
      size.split('x').reduce((area, side) => area * Number(side), 1),
    );
    const microsPerFrame = (Math.max(...areas) / PIXELS_PER_TOKEN) * perToken;
    return {
      resolution: tier,
      microsPerSecond: Math.ceil(microsPerFrame * FPS),
      microsPerVideo: Math.ceil(microsPerFrame),
      ...(isReported ? { microsPerToken: perToken } : {}),
    };
  });

/** The list of a service. With a video among the references, a token costs less. */
interface PriceList {
  readonly tokens: PerMillion;
  readonly withVideo?: PerMillion;
}

/**
 * Yuan for a dollar: the least by which a price of Volcengine differs from that of BytePlus (26 CNY and 4 USD). Exchange rates
 * seen in 2026 were above it (6.73 in September), so that neither a hold nor a charge is below the bill.
 */
const YUAN_PER_DOLLAR = 6.5;

const inDollars = (yuan: PerMillion): PerMillion =>
  Object.fromEntries(
    Object.entries(yuan).map(([resolution, price]) => [resolution, price / YUAN_PER_DOLLAR]),
  );

/**
 * "Model pricing" of both services. That of Volcengine, in CNY, is known from copies of September and October 2026; what
 * BytePlus charges with a video for 1080p, 4k, Fast and Mini is known from one copy, and is as much less as at Volcengine.
 */
const SOURCES = (checked: string): ModelEntry['price']['sources'] => [
  { url: 'https://docs.byteplus.com/en/docs/ModelArk/1544106', checked },
  { url: 'https://www.volcengine.com/docs/82379/1544106', checked: '2026-11-29' },
  { url: 'https://docs.laozhang.ai/announcements/seedance-pricing-2026-10.md', checked: '2026-11-29' },
  { url: 'https://github.com/GhishaDev/saas-models-source', checked: '2026-11-29' },
];

/** What BytePlus charges in USD, and Volcengine in CNY. */
function price(
  sizes: Sizes,
  byteplus: PriceList,
  yuan: PriceList,
  checked = '2026-11-29',
): ModelEntry['price'] {
  const isOld = sizes === SIZES_1_0;
  const lines = (service: string, { tokens, withVideo = {} }: PriceList) => [
    ...tokenRates(sizes, withVideo, true).map((rate) => ({ service, ...rate, withVideo: true })),
    ...tokenRates(sizes, tokens, true).map((rate) => ({ service, ...rate })),
  ];
  const volcengine = {
    tokens: inDollars(yuan.tokens),
    ...(yuan.withVideo ? { withVideo: inDollars(yuan.withVideo) } : {}),
  };
  return {
    currency: 'USD',
    rates: [...lines('byteplus', byteplus), ...lines('volcengine', volcengine)],
    // 5 s at 720p with the shortest video cost 1.244 USD with 2.5: the tokens of 9 s. "There is a minimum token usage."
    ...(isOld ? {} : { videos: { leastOfResult: 2 / 3 } }),
    billing: `By tokens (width x height x frames / 1024, with 24 frames a second and one more), for finished videos only; shown and held for the largest size, and charged by the tokens that the service reports. Volcengine bills CNY, which are counted here at ${YUAN_PER_DOLLAR} for a dollar.`,
    sources: SOURCES(checked),
  };
}

type Parameters = ModelEntry['parameters'];

/** "Width and height [300, 6000] px, ratio [0.4, 2.5], less than 30 MB." One of its pages excludes the bounds. */
const LIMITS: ImageLimits = {
  minSide: 300,
  maxSide: 6000,
  minRatio: 0.4,
  maxRatio: 2.5,
  maxBytes: 29_999_999,
  source: {
    url: 'https://ai.byteplus.com/ark/region:ap-southeast-1/docs/create-video-generation-task-api',
    checked: '2026-11-29',
  },
};

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
  image: { kind: 'image', limits: LIMITS },
  lastFrame: { kind: 'image', limits: LIMITS },
  generateAudio: { kind: 'flag', allowed: [false], default: false },
  seed: SEED,
  cameraFixed: { kind: 'flag', allowed: [true, false], default: false },
  watermark: WATERMARK,
};

/** "Input specifications" of videos and audios (https://docs.byteplus.com/en/docs/ModelArk/1520757, read 2026-11-29). */
const VIDEO: Limits = {
  minSide: 300,
  maxSide: 6000,
  minRatio: 0.4,
  maxRatio: 2.5,
  formats: ['mp4', 'mov'],
  maxBytes: 200_000_000,
  minPixels: 407_696,
  maxPixels: 8_295_044,
  minFps: 24,
  maxFps: 60,
  by: 'url',
};
const AUDIO: Limits = { formats: ['wav', 'mp3'], maxBytes: 15_000_000 };

const seconds = (min: number, max: number) => ({ minSeconds: min, maxSeconds: max, totalSeconds: max });

const SEEDANCE_2: Parameters = {
  duration: { kind: 'range', min: 4, max: 15, default: 5, auto: true },
  resolution: { kind: 'choice', allowed: ['480p', '720p'], default: '720p' },
  aspectRatio: RATIO,
  image: { kind: 'image', limits: LIMITS },
  lastFrame: { kind: 'image', limits: LIMITS },
  references: {
    kind: 'references',
    max: 15,
    takes: [
      { type: 'image', max: 9, limits: LIMITS },
      { type: 'video', max: 3, limits: { ...VIDEO, ...seconds(2, 15) } },
      // "Text with audio, and audio alone, are not supported."
      { type: 'audio', max: 3, with: ['image', 'video'], limits: { ...AUDIO, ...seconds(2, 15) } },
    ],
  },
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
  when: { parameter: 'references', given: true },
  require: { parameter: 'image', given: false },
} as const;

const seedance1 = { ...SHARED, parameters: SEEDANCE_1_0, rules: [LAST_NEEDS_FIRST], sizes: SIZES_1_0 };
const seedance2 = { ...SHARED, rules: [LAST_NEEDS_FIRST, FRAMES_OR_REFERENCES], sizes: SIZES_2_0 };

const PRO_1_0 = {
  ...named('seedance-1-0-pro-250528', ''),
  released: '2025-05-28',
  price: price(
    SIZES_1_0,
    { tokens: { '480p': 2.5, '720p': 2.5, '1080p': 2.5 } },
    { tokens: { '480p': 15, '720p': 15, '1080p': 15 } },
    '2026-11-24',
  ),
  typical: { medianSeconds: 90, p90Seconds: 240 },
};

const PRO_2_0 = {
  ...named('seedance-2-0-260128'),
  typical: { medianSeconds: 140, p90Seconds: 300 },
};

export const SEEDANCE: readonly ModelEntry[] = [
  {
    ...seedance2,
    id: 'seedance-2.5',
    aliases: ['doubao-seedance-2-5-260628', 'dreamina-seedance-2-5-260628'],
    title: 'Seedance 2.5',
    released: '2026-06-28',
    ...named('seedance-2-5-260628'),
    parameters: {
      ...SEEDANCE_2,
      duration: { kind: 'range', min: 4, max: 30, default: 5, auto: true },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
      references: {
        kind: 'references',
        max: 50,
        takes: [
          { type: 'image', max: 30, limits: LIMITS },
          { type: 'video', max: 10, limits: { ...VIDEO, ...seconds(2, 30) } },
          {
            type: 'video',
            role: 'source',
            max: 1,
            setsDuration: true,
            limits: { ...VIDEO, ...seconds(4, 30) },
          },
          { type: 'video', role: 'first_clip', max: 1, limits: { ...VIDEO, ...seconds(2, 30) } },
          { type: 'audio', max: 10, limits: { ...AUDIO, ...seconds(2, 30) } },
        ],
      },
    },
    rules: [
      ...seedance2.rules,
      // `omni_reference_task_type` is one of `edit` and `extend`.
      {
        when: { parameter: 'references', role: 'source', given: true },
        require: { parameter: 'references', role: 'first_clip', given: false },
      },
      // "2.5 with frames: adaptive only."
      {
        when: { parameter: 'image', given: true },
        note: 'Seedance 2.5 makes a video with the shape of image; aspect_ratio is not sent.',
      },
      {
        when: { parameter: 'references', role: 'source', given: true },
        note: 'The video has the shape and duration of the source; aspect_ratio and duration are not sent. The prompt must ask for an edit, with a word such as replace, add or remove.',
      },
      {
        when: { parameter: 'references', role: 'first_clip', given: true },
        note: 'The video has the shape of the clip and continues it; aspect_ratio is not sent. The prompt must ask for it, with a word such as extend or continue.',
      },
    ],
    // Published for 2.5; the other sizes are those of 2.0.
    sizes: { ...SIZES_2_0, '480p': tier('854x480', '752x560', '640x640', '992x432') },
    price: price(
      SIZES_2_0,
      {
        tokens: { '480p': 10.7, '720p': 10.7, '1080p': 11.7 },
        withVideo: { '480p': 6.4, '720p': 6.4, '1080p': 7 },
      },
      {
        tokens: { '480p': 70, '720p': 70, '1080p': 77 },
        withVideo: { '480p': 42, '720p': 42, '1080p': 46 },
      },
    ),
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
    price: price(
      SIZES_2_0,
      {
        tokens: { '480p': 7, '720p': 7, '1080p': 7.7, '4k': 4 },
        withVideo: { '480p': 4.3, '720p': 4.3, '1080p': 4.7, '4k': 2.4 },
      },
      {
        tokens: { '480p': 46, '720p': 46, '1080p': 51, '4k': 26 },
        withVideo: { '480p': 28, '720p': 28, '1080p': 31, '4k': 16 },
      },
    ),
  },
  {
    ...seedance2,
    id: 'seedance-2.0-fast',
    aliases: ['doubao-seedance-2-0-fast-260128', 'dreamina-seedance-2-0-fast-260128'],
    title: 'Seedance 2.0 Fast',
    released: '2026-01-28',
    ...named('seedance-2-0-fast-260128'),
    parameters: SEEDANCE_2,
    price: price(
      SIZES_2_0,
      { tokens: { '480p': 5.6, '720p': 5.6 }, withVideo: { '480p': 3.3, '720p': 3.3 } },
      { tokens: { '480p': 37, '720p': 37 }, withVideo: { '480p': 22, '720p': 22 } },
    ),
    typical: { medianSeconds: 75, p90Seconds: 180 },
  },
  {
    ...seedance2,
    id: 'seedance-2.0-mini',
    aliases: ['doubao-seedance-2-0-mini-260615', 'dreamina-seedance-2-0-mini-260615'],
    title: 'Seedance 2.0 Mini',
    released: '2026-06-15',
    ...named('seedance-2-0-mini-260615'),
    parameters: SEEDANCE_2,
    price: price(
      SIZES_2_0,
      { tokens: { '480p': 3.5, '720p': 3.5 }, withVideo: { '480p': 2.1, '720p': 2.1 } },
      { tokens: { '480p': 23, '720p': 23 }, withVideo: { '480p': 14, '720p': 14 } },
    ),
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
      // Not -1: its successor would make up to 15 s.
      duration: { kind: 'range', min: 4, max: 12, default: 5 },
      resolution: { kind: 'choice', allowed: ['480p', '720p', '1080p'], default: '720p' },
    },
    price: price(
      SIZES_2_0,
      {
        tokens: { '480p': 7, '720p': 7, '1080p': 7.7 },
        withVideo: { '480p': 4.3, '720p': 4.3, '1080p': 4.7 },
      },
      {
        tokens: { '480p': 46, '720p': 46, '1080p': 51 },
        withVideo: { '480p': 28, '720p': 28, '1080p': 31 },
      },
    ),
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
    ...named('seedance-1-0-pro-fast-251015', ''),
    parameters: withoutLastFrame(SEEDANCE_1_0),
    rules: [],
    price: price(
      SIZES_1_0,
      { tokens: { '480p': 1, '720p': 1, '1080p': 1 } },
      { tokens: { '480p': 4.2, '720p': 4.2, '1080p': 4.2 } },
      '2026-11-24',
    ),
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
