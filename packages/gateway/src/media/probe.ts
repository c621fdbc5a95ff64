import { open } from 'node:fs/promises';
import type { NativePool } from '../native/pool.ts';
import type { Probe } from './media.ts';
import { checkMp4Boxes } from './mp4Boxes.ts';
import type { ProbeOutput, VideoProblem } from './probe.job.ts';

const JOB = new URL('./probe.job.ts', import.meta.url);

/** Reading every packet of a long 4K video takes a second or two. */
const TIMEOUT_MS = 60_000;

/** A file that is not a whole video; `problem` says which way. */
export class BadVideo extends Error {
  readonly problem: VideoProblem;

  constructor(problem: VideoProblem, detail: string) {
    super(`Not a whole video (${problem}): ${detail}`);
    this.name = 'BadVideo';
    this.problem = problem;
  }
}

/**
 * Reads what a finished video is, and checks that the data its container declares is all there, without decoding it.
 * Throws `BadVideo`.
 */
export async function probeVideo(native: NativePool, path: string): Promise<Probe> {
  const file = await open(path);
  try {
    if ((await checkMp4Boxes(file)) === 'truncated') {
      throw new BadVideo('truncated', 'the file ends inside a box, or has no index (moov)');
    }
  } finally {
    await file.close();
  }
  const output = await native.run<{ path: string }, ProbeOutput>(JOB, { path }, { timeoutMs: TIMEOUT_MS });
  if (!output.ok) throw new BadVideo(output.problem, output.detail);
  return output.probe;
}
