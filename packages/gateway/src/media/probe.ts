import { open } from 'node:fs/promises';
import type { NativePool } from '../native/pool.ts';
import { checkMp4Boxes } from './mp4Boxes.ts';
import type { ProbeVerdict } from './probe.job.ts';

const JOB = new URL('./probe.job.ts', import.meta.url);

/** Reading every packet of a long 4K video takes a second or two. */
const TIMEOUT_MS = 60_000;

/**
 * Reads what a finished video is, and checks that the data its container declares is all there, without decoding it. Resolves
 * with a verdict on the bytes; throws where none could be reached: the child died or hung, the file could not be read.
 */
export async function probeVideo(native: NativePool, path: string): Promise<ProbeVerdict> {
  const file = await open(path);
  try {
    if ((await checkMp4Boxes(file)) === 'truncated') {
      const detail = 'the file ends inside a box, or has no index (moov)';
      return { ok: false, problem: 'truncated', detail };
    }
  } finally {
    await file.close();
  }
  return native.run<{ path: string }, ProbeVerdict>(JOB, { path }, { timeoutMs: TIMEOUT_MS });
}
