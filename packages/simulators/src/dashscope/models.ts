import type { Pace } from '../core/jobs/job.ts';
import { FURTHER_SIZES, LONG, USUAL } from './assumptions.ts';
import type { Tier } from './tier.ts';

/** What a model accepts and what it answers with. */
export type Generation = 'legacy' | 'wan2.7' | 'wan3' | 'happyhorse' | 'kling' | 'vidu';
export type Mode = 't2v' | 'i2v' | 'kf2v' | 'r2v' | 'edit' | 'all' | 'omni';
export type Path = 'video-generation' | 'image2video';
/** The form of a finished task's usage block, named as in the documentation. */
export type UsageStyle = 'video_ratio' | 'video_sr' | 'size' | 'tier' | 'kling' | 'vidu';

export interface WanModel {
  readonly generation: Generation;
  readonly mode: Mode;
  readonly path: Path;
  /** The regions that have the model; undefined if all have it. */
  readonly regions?: readonly string[];
  readonly tiers: readonly Tier[];
  readonly defaultTier: Tier;
  /** USD a second of the result, if documented. */
  readonly usdPerSecond?: Readonly<Partial<Record<Tier, number>>>;
  /** The ratios that it takes, if fewer than its generation. */
  readonly ratios?: readonly string[];
  /** The allowed seconds: a list of values, or a range from the first to the second. */
  readonly seconds: { readonly oneOf: readonly number[] } | { readonly from: number; readonly to: number };
  readonly usage: UsageStyle;
  /** Reports the rewritten prompt ("absent on 2.6" and later). */
  readonly tellsActualPrompt: boolean;
  readonly sound: 'none' | 'always' | 'chosen';
  readonly pace: Pace;
}

/** "Wan text-to-video API reference (2.1-2.6)", `size`: width*height by tier. 480P has three sizes. */
export const SIZES: Readonly<Record<Tier, Readonly<Record<string, string>>>> = {
  '480P': { '16:9': '832*480', '9:16': '480*832', '1:1': '624*624' },
  '540P': {},
  '720P': {
    '16:9': '1280*720',
    '9:16': '720*1280',
    '1:1': '960*960',
    '4:3': '1088*832',
    '3:4': '832*1088',
  },
  '1080P': {
    '16:9': '1920*1080',
    '9:16': '1080*1920',
    '1:1': '1440*1440',
    '4:3': '1632*1248',
    '3:4': '1248*1632',
  },
};

/** Sizes by `ratio`: those of the older models, and those whose pixels are not documented. */
const TIER_SIZES: typeof SIZES = {
  '480P': { ...SIZES['480P'], ...FURTHER_SIZES['480P'] },
  '540P': {},
  '720P': { ...SIZES['720P'], ...FURTHER_SIZES['720P'] },
  '1080P': { ...SIZES['1080P'], ...FURTHER_SIZES['1080P'] },
};

/** "Wan2.7 video editing" and the others of 2.7: sizes that differ from those of 2.6. */
const SIZES_2_7: typeof SIZES = {
  '480P': {},
  '540P': {},
  '720P': { '4:3': '1104*832', '3:4': '832*1104' },
  '1080P': { '4:3': '1648*1248', '3:4': '1248*1648' },
};

/** "Vidu text-to-video" and "reference video API reference", `size`. */
const SIZES_VIDU: typeof SIZES = {
  '480P': {},
  '540P': {
    '16:9': '1024*576',
    '9:16': '576*1024',
    '1:1': '1024*1024',
    '4:3': '1024*768',
    '3:4': '768*1024',
  },
  '720P': {
    '16:9': '1280*720',
    '9:16': '720*1280',
    '1:1': '1280*1280',
    '4:3': '1280*960',
    '3:4': '960*1280',
  },
  '1080P': {
    '16:9': '1920*1080',
    '9:16': '1080*1920',
    '1:1': '1808*1808',
    '4:3': '1920*1440',
    '3:4': '1440*1920',
  },
};

const OWN_SIZES: Readonly<Partial<Record<Generation, typeof SIZES>>> = {
  'wan2.7': SIZES_2_7,
  vidu: SIZES_VIDU,
};

/** The pixels of a ratio. */
export const sizeOf = (generation: Generation, tier: Tier, ratio: string): string | undefined =>
  OWN_SIZES[generation]?.[tier][ratio] ?? TIER_SIZES[tier][ratio];

/** The API references of Wan 2.7, Wan 3.0, HappyHorse (`ratio`), Kling (`aspect_ratio`) and Vidu (`size`). */
export const RATIOS: Readonly<Record<Exclude<Generation, 'legacy'>, readonly string[]>> = {
  'wan2.7': ['16:9', '9:16', '1:1', '4:3', '3:4'],
  wan3: ['21:9', '16:9', '4:3', '1:1', '3:4', '9:16'],
  happyhorse: ['16:9', '9:16', '1:1', '4:3', '3:4', '4:5', '5:4', '9:21', '21:9'],
  kling: ['16:9', '9:16', '1:1'],
  vidu: ['16:9', '9:16', '1:1', '4:3', '3:4'],
};

const BEIJING = ['cn-beijing'];
const ABROAD = ['ap-southeast-1', 'us-east-1'];
const ALL_TIERS: readonly Tier[] = ['480P', '720P', '1080P'];
const HIGH_TIERS: readonly Tier[] = ['720P', '1080P'];
const FIVE = { oneOf: [5] };
const FIVE_OR_TEN = { oneOf: [5, 10] };

function legacy(
  mode: Mode,
  usage: UsageStyle,
  tiers: readonly Tier[],
  seconds: WanModel['seconds'],
  sound: WanModel['sound'] = 'none',
): WanModel {
  return {
    generation: 'legacy',
    mode,
    // "Wan first-and-last-frame API reference": the only mode with a path of its own.
    path: mode === 'kf2v' ? 'image2video' : 'video-generation',
    tiers,
    // `resolution` or `size` of each reference: 1080P if the model has it, except for the first-and-last-frame models.
    defaultTier: mode !== 'kf2v' && tiers.includes('1080P') ? '1080P' : '720P',
    seconds,
    usage,
    tellsActualPrompt: usage !== 'size',
    sound,
    pace: USUAL,
  };
}

const wan27 = (mode: Mode, to: number): WanModel => ({
  generation: 'wan2.7',
  mode,
  path: 'video-generation',
  tiers: HIGH_TIERS,
  defaultTier: '1080P',
  seconds: { from: 2, to },
  usage: 'tier',
  tellsActualPrompt: false,
  sound: 'always',
  pace: USUAL,
});

const WAN_3: WanModel = {
  generation: 'wan3',
  mode: 'all',
  path: 'video-generation',
  tiers: ALL_TIERS,
  defaultTier: '1080P',
  // "Models and pricing", outside mainland China.
  usdPerSecond: { '480P': 0.05, '720P': 0.1, '1080P': 0.2 },
  seconds: { from: 2, to: 30 },
  usage: 'tier',
  tellsActualPrompt: false,
  sound: 'chosen',
  pace: LONG,
};

/** "HappyHorse text-to-video", "image-to-video", "reference-to-video" and "video editing API reference". */
const happyHorse = (mode: Mode): WanModel => ({
  generation: 'happyhorse',
  mode,
  path: 'video-generation',
  tiers: mode === 'edit' ? HIGH_TIERS : ALL_TIERS,
  defaultTier: '1080P',
  seconds: { from: 3, to: 15 },
  usage: 'tier',
  tellsActualPrompt: false,
  sound: 'always',
  pace: USUAL,
});

/** "Kling video generation API reference" (Model Studio, Beijing only). */
const KLING: WanModel = {
  generation: 'kling',
  mode: 'all',
  path: 'video-generation',
  regions: BEIJING,
  tiers: HIGH_TIERS,
  defaultTier: '1080P',
  seconds: { from: 3, to: 15 },
  usage: 'kling',
  tellsActualPrompt: false,
  sound: 'chosen',
  pace: USUAL,
};

/**
 * "Vidu text-to-video", "image-to-video" (first frame; first and last frame) and "reference video API reference" (Model Studio). Mode `omni`:
 * references that may be videos, too.
 */
const vidu = (mode: Mode, to: number, changes: Partial<WanModel> = {}): WanModel => ({
  generation: 'vidu',
  mode,
  path: 'video-generation',
  regions: BEIJING,
  tiers: ['540P', ...HIGH_TIERS],
  defaultTier: '720P',
  seconds: { from: 1, to },
  usage: 'vidu',
  tellsActualPrompt: false,
  sound: 'none',
  pace: USUAL,
  ...changes,
});
const Q3 = { sound: 'chosen' } as const;
/** "Model Studio, Vidu reference video API reference", which is also that of Singapore. */
const ALSO_ABROAD = { tiers: HIGH_TIERS, regions: [...BEIJING, 'ap-southeast-1'] };

const VIDU: Readonly<Record<string, WanModel>> = {
  'vidu/viduq3-pro_text2video': vidu('t2v', 16, Q3),
  'vidu/viduq3-turbo_text2video': vidu('t2v', 16, Q3),
  'vidu/viduq2_text2video': vidu('t2v', 10),
  'vidu/viduq3-pro_img2video': vidu('i2v', 16, Q3),
  'vidu/viduq3-pro-fast_img2video': vidu('i2v', 16, { ...Q3, tiers: HIGH_TIERS }),
  'vidu/viduq3-turbo_img2video': vidu('i2v', 16, Q3),
  'vidu/viduq2-pro_img2video': vidu('i2v', 10),
  'vidu/viduq2-turbo_img2video': vidu('i2v', 10),
  'vidu/viduq2-pro-fast_img2video': vidu('i2v', 10, { tiers: HIGH_TIERS }),
  'vidu/viduq3-pro_start-end2video': vidu('kf2v', 16, Q3),
  'vidu/viduq3-turbo_start-end2video': vidu('kf2v', 16, Q3),
  'vidu/viduq2-pro_start-end2video': vidu('kf2v', 10),
  'vidu/viduq2-turbo_start-end2video': vidu('kf2v', 10),
  'vidu/viduq3-ad_reference2video': vidu('r2v', 15, {
    ...Q3,
    ...ALSO_ABROAD,
    seconds: { from: 3, to: 15 },
  }),
  'vidu/viduq3-drama_reference2video': vidu('r2v', 15, {
    ...ALSO_ABROAD,
    seconds: { from: 2, to: 15 },
    ratios: ['16:9', '9:16'],
    defaultTier: '1080P',
    sound: 'always',
  }),
  'vidu/viduq3-mix_reference2video': vidu('r2v', 16, { ...Q3, ...ALSO_ABROAD }),
  'vidu/viduq3_reference2video': vidu('r2v', 16, Q3),
  'vidu/viduq3-turbo_reference2video': vidu('r2v', 16, Q3),
  'vidu/viduq2_reference2video': vidu('r2v', 10),
  'vidu/viduq2-pro_reference2video': vidu('omni', 10),
};

/** Wan 2.1 is spelled `wanx2.1-…` in Beijing and `wan2.1-…` elsewhere ("Models and pricing"). */
function wan21(name: string, model: WanModel): Record<string, WanModel> {
  return {
    [`wanx2.1-${name}`]: { ...model, regions: BEIJING },
    [`wan2.1-${name}`]: { ...model, regions: ABROAD },
  };
}

/** All simulated video models, by name. Sources: the API references of Wan 2.1-2.6, 2.7 and 3.0, HappyHorse, Kling and Vidu. */
export const MODELS: Readonly<Record<string, WanModel>> = {
  ...wan21('t2v-turbo', legacy('t2v', 'video_ratio', ['480P', '720P'], FIVE)),
  ...wan21('t2v-plus', legacy('t2v', 'video_ratio', ['720P'], FIVE)),
  ...wan21('i2v-turbo', legacy('i2v', 'video_ratio', ['480P', '720P'], { oneOf: [3, 4, 5] })),
  ...wan21('i2v-plus', legacy('i2v', 'video_ratio', ['720P'], FIVE)),
  ...wan21('kf2v-plus', legacy('kf2v', 'video_ratio', ['720P'], FIVE)),
  'wan2.2-t2v-plus': legacy('t2v', 'video_ratio', ['480P', '1080P'], FIVE),
  'wan2.2-i2v-plus': legacy('i2v', 'video_sr', ['480P', '1080P'], FIVE),
  'wan2.2-i2v-flash': legacy('i2v', 'video_sr', ['480P', '720P'], FIVE),
  'wan2.2-kf2v-flash': { ...legacy('kf2v', 'video_sr', ALL_TIERS, FIVE), regions: BEIJING },
  'wan2.5-t2v-preview': legacy('t2v', 'video_ratio', ALL_TIERS, FIVE_OR_TEN, 'always'),
  'wan2.5-i2v-preview': legacy('i2v', 'video_sr', ALL_TIERS, FIVE_OR_TEN, 'always'),
  'wan2.6-t2v': legacy('t2v', 'size', HIGH_TIERS, { from: 2, to: 15 }, 'always'),
  'wan2.6-i2v': legacy('i2v', 'size', HIGH_TIERS, { from: 2, to: 15 }, 'always'),
  'wan2.6-i2v-flash': legacy('i2v', 'size', HIGH_TIERS, { from: 2, to: 15 }, 'chosen'),
  'wan2.6-r2v-flash': legacy('r2v', 'size', HIGH_TIERS, { from: 2, to: 10 }, 'chosen'),
  'wan2.6-r2v': legacy('r2v', 'size', HIGH_TIERS, { from: 2, to: 10 }, 'always'),
  'wan2.7-t2v': wan27('t2v', 15),
  'wan2.7-i2v': wan27('i2v', 15),
  'wan2.7-r2v': wan27('r2v', 15),
  'wan2.7-videoedit': wan27('edit', 10),
  'happyhorse-1.1-t2v': happyHorse('t2v'),
  'happyhorse-1.1-i2v': happyHorse('i2v'),
  'happyhorse-1.1-r2v': happyHorse('r2v'),
  'happyhorse-1.0-t2v': happyHorse('t2v'),
  'happyhorse-1.0-i2v': happyHorse('i2v'),
  'happyhorse-1.0-r2v': happyHorse('r2v'),
  'happyhorse-1.0-video-edit': happyHorse('edit'),
  'kling/kling-v3-video-generation': KLING,
  'kling/kling-v3-omni-video-generation': { ...KLING, mode: 'omni' },
  ...VIDU,
  'wan3.0-video': WAN_3,
  'wan3.0-video-prime': {
    ...WAN_3,
    usdPerSecond: { '480P': 0.068, '720P': 0.14, '1080P': 0.28 },
    pace: USUAL,
  },
};
