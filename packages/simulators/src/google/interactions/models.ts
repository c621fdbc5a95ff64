import { type Pace, pace } from '../../core/jobs/job.ts';

export const RESOLUTIONS = ['360p', '720p', '1080p', '4k'] as const;
export type OmniResolution = (typeof RESOLUTIONS)[number];

/** A model that makes videos through the Interactions API. */
export interface OmniModel {
  /** The longest video, in seconds. A video between two frames has at most `LONGEST_BETWEEN_FRAMES`. */
  readonly longest: number;
  /** USD for a million tokens of video. */
  readonly usdPerMillion: number;
  readonly pace: Pace;
}

/**
 * Names: `Model` of `@google/genai` 3.3.0. Lengths: 1.1 refuses 2 and 11 seconds in these words; 1.2 makes up to 15 (its resellers). Prices: see
 * the catalogue of the gateway.
 */
export const OMNI_MODELS: Readonly<Record<string, OmniModel>> = {
  'gemini-omni-1.2-flash': { longest: 15, usdPerMillion: 12, pace: pace(60, 180, 0.02) },
  'gemini-omni-1.1-flash': { longest: 10, usdPerMillion: 17.5, pace: pace(60, 180, 0.02) },
};

/** Ended on 2026-09-30. */
export const OMNI_GONE: readonly string[] = ['gemini-omni-flash-preview'];

export const SHORTEST = 3;
/** "If `duration` is omitted, the video has 10 seconds", as clients of the service measured. */
export const DEFAULT_SECONDS = 10;
export const LONGEST_BETWEEN_FRAMES = 10;

/** Pixels of 16:9 as measured in videos of the service. 9:16 is the same with the sides exchanged. */
export const OMNI_PIXELS: Readonly<Record<OmniResolution, { width: number; height: number }>> = {
  '360p': { width: 640, height: 360 },
  '720p': { width: 1280, height: 720 },
  '1080p': { width: 1920, height: 1080 },
  '4k': { width: 3840, height: 2160 },
};

/** `output_tokens_by_modality` of recorded answers: 17,376 for three seconds of 720p, a third of that for 360p, half more for 1080p. */
export const TOKENS_PER_SECOND: Readonly<Record<OmniResolution, number>> = {
  '360p': 1931,
  '720p': 5792,
  '1080p': 8688,
  '4k': 17_376,
};
