import { type Pace, pace } from '../core/jobs/job.ts';

/** Google's two services for Veo. They share neither paths nor names nor the form of a result. */
export type Service = 'gemini' | 'vertex';

export type Resolution = '720p' | '1080p' | '4k';

/** What a model can do: "Generate videos with Veo 3.1 in Gemini API" (model features) and "Veo on Vertex AI video generation API". */
export interface VeoModel {
  readonly services: readonly Service[];
  readonly resolutions: readonly Resolution[];
  /** Up to three reference images. */
  readonly references: boolean;
  readonly extension: boolean;
  /** USD for a second (Gemini API pricing; Vertex AI charges half, or two thirds at 4k, without audio). */
  readonly usdPerSecond: Readonly<Partial<Record<Resolution, number>>>;
  readonly usdPerSilentSecond: Readonly<Partial<Record<Resolution, number>>>;
  readonly pace: Pace;
}

/** "Request latency: 11 seconds to 6 minutes, at peak hours" (Gemini API, Veo, limitations). */
const SLOW = pace(75, 180, 0.02);
const FAST = pace(45, 120, 0.02);

const STANDARD: Omit<VeoModel, 'services'> = {
  resolutions: ['720p', '1080p', '4k'],
  references: true,
  extension: true,
  usdPerSecond: { '720p': 0.4, '1080p': 0.4, '4k': 0.6 },
  usdPerSilentSecond: { '720p': 0.2, '1080p': 0.2, '4k': 0.4 },
  pace: SLOW,
};

const FAST_PRICES = { '720p': 0.1, '1080p': 0.12, '4k': 0.3 };
const QUICK: Omit<VeoModel, 'services'> = {
  ...STANDARD,
  usdPerSecond: FAST_PRICES,
  usdPerSilentSecond: FAST_PRICES,
  pace: FAST,
};

const LITE_PRICES = { '720p': 0.05, '1080p': 0.08 };
/** "Lite: no reference images, no extension, no 4k". */
const LITE: Omit<VeoModel, 'services'> = {
  resolutions: ['720p', '1080p'],
  references: false,
  extension: false,
  usdPerSecond: LITE_PRICES,
  usdPerSilentSecond: LITE_PRICES,
  pace: FAST,
};

/** The models, by their names at the services. Veo 2 and 3.0 ended on 30 June 2026. */
export const MODELS: Readonly<Record<string, VeoModel>> = {
  'veo-3.1-generate-001': { ...STANDARD, services: ['vertex'] },
  'veo-3.1-fast-generate-001': { ...QUICK, services: ['vertex'] },
  'veo-3.1-lite-generate-001': { ...LITE, services: ['vertex'] },
  'veo-3.1-generate-preview': { ...STANDARD, services: ['gemini'] },
  'veo-3.1-fast-generate-preview': { ...QUICK, services: ['gemini'] },
  'veo-3.1-lite-generate-preview': { ...LITE, services: ['gemini'] },
};

/** Former models of the Gemini API. A request for one is answered with "no longer available" and not as unknown. */
export const GONE: readonly string[] = [
  'veo-2.0-generate-001',
  'veo-3.0-generate-preview',
  'veo-3.0-fast-generate-preview',
  'veo-3.0-generate-001',
  'veo-3.0-fast-generate-001',
];

/** Pixels of 16:9. 9:16 is the same with the sides exchanged. */
export const PIXELS: Readonly<Record<Resolution, { width: number; height: number }>> = {
  '720p': { width: 1280, height: 720 },
  '1080p': { width: 1920, height: 1080 },
  '4k': { width: 3840, height: 2160 },
};

/** "Extend by 7 seconds and up to 20 times"; "input videos up to 141 seconds". */
export const EXTENSION = { seconds: 7, longestInput: 141 } as const;

/** Seconds that a request may ask for. */
export const DURATIONS: readonly number[] = [4, 6, 8];
export const FULL_DURATION = 8;
/**
 * The seconds that a request for an extension must give. Gemini API: "must be 8 when using extension". Vertex AI: "supported durations are
 * [7] for feature video_extension", as seen by several clients.
 */
export const EXTENSION_DURATION: Readonly<Record<Service, number>> = { gemini: 8, vertex: 7 };

/** Gemini API: "1 video per request"; Vertex AI: `sampleCount` 1 to 4. */
export const MOST_SAMPLES: Readonly<Record<Service, number>> = { gemini: 1, vertex: 4 };
