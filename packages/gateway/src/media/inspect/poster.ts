import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativePool } from '../../native/pool.ts';
import type { PosterInput } from './poster.job.ts';

const JOB = new URL('./poster.job.ts', import.meta.url);

/** Seeks to a few places and decodes from the key frame before each. */
const TIMEOUT_MS = 60_000;

/** Writes a poster (JPEG, at most 1280 pixels wide) of a video: a frame about one third in that is not black. */
export function makePoster(native: NativePool, videoPath: string, outPath: string): Promise<void> {
  return native.run<PosterInput, void>(JOB, { videoPath, outPath }, { timeoutMs: TIMEOUT_MS });
}

/** Lends a poster of a video as a file, which is there until `use` has ended. */
export async function withPosterFile(
  native: NativePool,
  videoPath: string,
  use: (posterPath: string) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'onetake-poster-'));
  try {
    const path = join(dir, 'poster.jpg');
    await makePoster(native, videoPath, path);
    await use(path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
