import { type FileHandle, open } from 'node:fs/promises';
import type { NativePool } from '../../native/pool.ts';
import { checkMp4Boxes } from './mp4Boxes.ts';
import type { ProbeVerdict } from './probe.job.ts';

const JOB = new URL('./probe.job.ts', import.meta.url);

/** Reading every packet of a long 4K video takes a second or two. */
const TIMEOUT_MS = 60_000;
/** Of a file that is no video, told in the log. */
const BEGINNING_BYTES = 80;

/**
 * Reads what a finished video is, and checks that the data its container declares is all there, without decoding it. Resolves
 * with a verdict on the bytes; throws where none could be reached: the child died or hung, the file could not be read.
 */
export async function probeVideo(native: NativePool, path: string): Promise<ProbeVerdict> {
  let beginning: string;
  const file = await open(path);
  try {
    if ((await checkMp4Boxes(file)) === 'truncated') {
      const detail = 'the file ends inside a box, or has no index (moov)';
      return { ok: false, problem: 'truncated', detail };
    }
    beginning = await beginningOf(file);
  } finally {
    await file.close();
  }
  const verdict = await native.run<{ path: string }, ProbeVerdict>(JOB, { path }, { timeoutMs: TIMEOUT_MS });
  return verdict.ok || verdict.problem !== 'not_video'
    ? verdict
    : { ...verdict, detail: `${verdict.detail}; the file begins with ${beginning}` };
}

/** What an operator knows a page, an error text or a picture by. */
async function beginningOf(file: FileHandle): Promise<string> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return JSON.stringify(buffer.toString('latin1', 0, bytesRead).replace(/[^ -~]+/g, ' '));
}
