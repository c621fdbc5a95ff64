import type { NativePool } from '../../native/pool.ts';
import type { RemuxInput, RemuxVerdict } from './remux.job.ts';

const JOB = new URL('./remux.job.ts', import.meta.url);

/** Reads and writes the whole file, and once more to move the index to the front. */
const TIMEOUT_MS = 120_000;

/**
 * Writes a video of another container as an MP4 with its index in front, without encoding anything anew. Resolves with a verdict on
 * the bytes; throws where none could be reached: the child died or hung, the disk is full.
 */
export function remuxVideo(native: NativePool, path: string, outPath: string): Promise<RemuxVerdict> {
  return native.run<RemuxInput, RemuxVerdict>(JOB, { path, outPath }, { timeoutMs: TIMEOUT_MS });
}
