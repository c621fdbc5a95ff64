/** "Supported models" and "Pricing": what a model makes, and USD a second, by the shorter side in pixels. */
export interface LtxModel {
  readonly usd: Readonly<Record<number, number>>;
  /** The shorter sides that may last longer than `SECONDS`, at 24 or 25 frames a second. */
  readonly longAt: readonly number[];
  readonly fps: readonly number[];
}

const ALL_FPS = [24, 25, 48, 50];

export const MODELS: Readonly<Record<string, LtxModel>> = {
  'ltx-2-5-fast': {
    usd: { 720: 0.09, 1080: 0.13, 1440: 0.19, 2160: 0.3 },
    longAt: [720, 1080],
    fps: ALL_FPS,
  },
  'ltx-2-5-pro': { usd: { 720: 0.12, 1080: 0.17 }, longAt: [], fps: [24, 25, 50] },
  'ltx-2-3-fast': { usd: { 720: 0.03, 1080: 0.06, 1440: 0.12, 2160: 0.24 }, longAt: [1080], fps: ALL_FPS },
  'ltx-2-3-pro': { usd: { 720: 0.04, 1080: 0.08, 1440: 0.16, 2160: 0.32 }, longAt: [], fps: ALL_FPS },
};

export const SECONDS = [6, 8, 10];
export const LONG_SECONDS = [12, 14, 16, 18, 20];
/** Landscape, or portrait the other way round. */
export const SIZES: Readonly<Record<number, number>> = { 720: 1280, 1080: 1920, 1440: 2560, 2160: 3840 };
export const CAMERA_MOTIONS = [
  'dolly_in',
  'dolly_out',
  'dolly_left',
  'dolly_right',
  'jib_up',
  'jib_down',
  'static',
  'focus_shift',
];
export const LONGEST_PROMPT = 5000;
/** "Status and output URLs are available for 24 hours after the job reaches a terminal state." Milliseconds. */
export const KEPT_MS = 24 * 3_600_000;
