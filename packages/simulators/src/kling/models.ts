/** "Capability map": which model makes what in which mode. `seconds`: the durations, as texts in requests. USD a second by mode. */
export interface KlingModel {
  readonly seconds: { readonly least: number; readonly most: number } | readonly number[];
  readonly usd: Readonly<Record<'std' | 'pro', number>>;
  /** USD a second with sound, by the modes that make any. */
  readonly usdWithSound: Readonly<Partial<Record<'std' | 'pro', number>>>;
  /** Whether it takes a last frame, which is in pro only and without sound. */
  readonly lastFrame: boolean;
  /** Whether its videos can be extended. */
  readonly extends: boolean;
}

export const MODELS: Readonly<Record<string, KlingModel>> = {
  'kling-v3': {
    seconds: { least: 3, most: 15 },
    usd: { std: 0.084, pro: 0.112 },
    usdWithSound: { std: 0.126, pro: 0.168 },
    lastFrame: false,
    extends: false,
  },
  'kling-v2-6': {
    seconds: [5, 10],
    usd: { std: 0.042, pro: 0.07 },
    usdWithSound: { pro: 0.14 },
    lastFrame: true,
    extends: false,
  },
  'kling-v2-5-turbo': {
    seconds: [5, 10],
    usd: { std: 0.042, pro: 0.07 },
    usdWithSound: {},
    lastFrame: true,
    extends: false,
  },
  'kling-v1-6': {
    seconds: [5, 10],
    usd: { std: 0.056, pro: 0.098 },
    usdWithSound: {},
    lastFrame: true,
    extends: true,
  },
};

/** "Video extension": each adds "4 to 5 s", to "3 minutes" in all. */
export const EXTENSION = { seconds: 5, mostSeconds: 180 };

/** The shorter side: std makes 720p, pro 1080p. */
export const SHORTER_SIDE = { std: 720, pro: 1080 } as const;
export const RATIOS = ['16:9', '9:16', '1:1'];
/** "Cannot exceed 2500 characters." */
export const LONGEST_PROMPT = 2500;
/** "Cleared after 30 days." Milliseconds. */
export const KEPT_MS = 30 * 86_400_000;
