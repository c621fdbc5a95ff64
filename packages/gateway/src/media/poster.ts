import type { NativePool } from '../native/pool.ts';
import type { PosterInput } from './poster.job.ts';

const JOB = new URL('./poster.job.ts', import.meta.url);

/** Seeks to a few places and decodes from the key frame before each. */
const TIMEOUT_MS = 60_000;

/** Writes a poster (JPEG, at most 1280 pixels wide) of a video: a frame about one third in that is not black. */
export function makePoster(native: NativePool, videoPath: string, outPath: string): Promise<void> {
  return native.run<PosterInput, void>(JOB, { videoPath, outPath }, { timeoutMs: TIMEOUT_MS });
}
