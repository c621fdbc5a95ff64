import { type Pace, pace } from '../core/jobs/job.ts';
import { SIZES_1_0, SIZES_2_0, SIZES_2_5, type Sizes } from './sizes.ts';

export type Region = 'volcengine' | 'byteplus';

/** What a Seedance model accepts and how it is billed. */
export interface SeedanceModel {
  /** Its name without the date, as in messages. */
  readonly name: string;
  readonly sizes: Sizes;
  readonly resolutions: readonly string[];
  readonly defaultResolution: string;
  /** Seconds, both limits included. `auto`: with -1 the model chooses. */
  readonly seconds: readonly [shortest: number, longest: number];
  readonly auto: boolean;
  readonly defaultSeconds: number;
  /** `ratio: adaptive` without an image. */
  readonly adaptiveText: boolean;
  /** `ratio` must be `adaptive` if frames are given. Checked only when the task runs. */
  readonly framesAreAdaptive: boolean;
  readonly lastFrame: boolean;
  /** The most references of each type. Undefined: none. */
  readonly references?: {
    readonly reference_image: number;
    readonly reference_video: number;
    readonly reference_audio: number;
    /** Whether reference audio may come without an image or a video. */
    readonly audioAlone: boolean;
  };
  /** The optional top-level fields that this model accepts and some others do not. */
  readonly fields: readonly string[];
  readonly tiers: readonly string[];
  readonly usdPerMillionTokens: number;
  /** With a video among the references, at 480p and 720p. Undefined: as without. */
  readonly usdPerMillionTokensWithVideo?: number;
  /** Resolutions with a price of their own. */
  readonly usdPerMillionTokensAt?: Readonly<Record<string, number>>;
  readonly pace: Pace;
  /** Taken offline. */
  readonly retired: boolean;
}

// BytePlus ModelArk, "Create a video generation task", "Supported models" of each field; "Model pricing"; "Model deprecation
// notice". The durations of jobs follow others' observations: 54 to 290 s for 5 s of 2.0 at 720p.
const SHARED = {
  defaultResolution: '720p',
  auto: true,
  defaultSeconds: 5,
  adaptiveText: true,
  framesAreAdaptive: false,
  lastFrame: true,
  tiers: ['default'],
  retired: false,
};

const SEEDANCE_1_0 = {
  ...SHARED,
  sizes: SIZES_1_0,
  resolutions: ['480p', '720p', '1080p'],
  defaultResolution: '1080p',
  seconds: [2, 12] as const,
  auto: false,
  adaptiveText: false,
  fields: ['frames', 'camera_fixed'],
  tiers: ['default', 'flex'],
  usdPerMillionTokens: 2.5,
  pace: pace(90, 240),
};

const SEEDANCE_2_0 = {
  ...SHARED,
  sizes: SIZES_2_0,
  resolutions: ['480p', '720p'],
  seconds: [4, 15] as const,
  // "Seedance 2.0 series": 9 images, 3 videos and 3 audios, not audio alone.
  references: { reference_image: 9, reference_video: 3, reference_audio: 3, audioAlone: false },
  fields: ['generate_audio', 'priority', 'tools'],
  usdPerMillionTokens: 7,
  pace: pace(140, 300),
};

/** The models, by their names without the date. */
const FAMILIES: Readonly<Record<string, Omit<SeedanceModel, 'name'>>> = {
  'seedance-2-5': {
    ...SEEDANCE_2_0,
    sizes: SIZES_2_5,
    resolutions: ['480p', '720p', '1080p'],
    seconds: [4, 30],
    defaultSeconds: -1,
    framesAreAdaptive: true,
    references: { reference_image: 30, reference_video: 10, reference_audio: 10, audioAlone: true },
    usdPerMillionTokensWithVideo: 6.4,
    fields: [...SEEDANCE_2_0.fields, 'draft', 'output_format', 'omni_reference_task_type'],
    usdPerMillionTokens: 10.7,
    usdPerMillionTokensAt: { '1080p': 11.7 },
    pace: pace(180, 420),
  },
  'seedance-2-0': {
    ...SEEDANCE_2_0,
    resolutions: ['480p', '720p', '1080p', '4k'],
    usdPerMillionTokensWithVideo: 4.3,
    usdPerMillionTokensAt: { '1080p': 7.7, '4k': 4 },
  },
  'seedance-2-0-fast': {
    ...SEEDANCE_2_0,
    usdPerMillionTokens: 5.6,
    pace: pace(75, 180),
  },
  'seedance-2-0-mini': {
    ...SEEDANCE_2_0,
    usdPerMillionTokens: 3.5,
    pace: pace(60, 150),
  },
  'seedance-1-5-pro': {
    ...SHARED,
    sizes: SIZES_2_0,
    resolutions: ['480p', '720p', '1080p'],
    seconds: [4, 12],
    fields: ['generate_audio', 'camera_fixed', 'draft'],
    tiers: ['default', 'flex'],
    usdPerMillionTokens: 2.4,
    pace: pace(140, 300),
    retired: true,
  },
  'seedance-1-0-pro': SEEDANCE_1_0,
  'seedance-1-0-pro-fast': {
    ...SEEDANCE_1_0,
    lastFrame: false,
    usdPerMillionTokens: 1,
    pace: pace(45, 120),
  },
  'seedance-1-0-lite-t2v': { ...SEEDANCE_1_0, lastFrame: false, retired: true },
  'seedance-1-0-lite-i2v': { ...SEEDANCE_1_0, retired: true },
};

/** The date of each model, and the prefix of its name in each region. */
const RELEASES: readonly (readonly [
  family: string,
  date: string,
  prefixes: Readonly<Record<Region, string>>,
])[] = [
  ['seedance-2-5', '260628', { volcengine: 'doubao-', byteplus: 'dreamina-' }],
  ['seedance-2-0', '260128', { volcengine: 'doubao-', byteplus: 'dreamina-' }],
  ['seedance-2-0-fast', '260128', { volcengine: 'doubao-', byteplus: 'dreamina-' }],
  ['seedance-2-0-mini', '260615', { volcengine: 'doubao-', byteplus: 'dreamina-' }],
  ['seedance-1-5-pro', '251215', { volcengine: 'doubao-', byteplus: '' }],
  ['seedance-1-0-pro', '250528', { volcengine: 'doubao-', byteplus: '' }],
  ['seedance-1-0-pro-fast', '251015', { volcengine: 'doubao-', byteplus: '' }],
  ['seedance-1-0-lite-t2v', '250428', { volcengine: 'doubao-', byteplus: '' }],
  ['seedance-1-0-lite-i2v', '250428', { volcengine: 'doubao-', byteplus: '' }],
];

/** The models of a region, by id. The two regions share no id. */
export function modelsOf(region: Region): ReadonlyMap<string, SeedanceModel> {
  const models = new Map<string, SeedanceModel>();
  for (const [family, date, prefixes] of RELEASES) {
    const facts = FAMILIES[family];
    const name = `${prefixes[region]}${family}`;
    if (facts) models.set(`${name}-${date}`, { ...facts, name });
  }
  return models;
}
