import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativePool } from '../../native/pool.ts';
import { checkMp4Boxes } from './mp4Boxes.ts';
import type { PosterInput } from './poster.job.ts';
import type { ProbeVerdict } from './probe.job.ts';
import type { RemuxInput, RemuxVerdict } from './remux.job.ts';

const PROBE_JOB = new URL('./probe.job.ts', import.meta.url);
const POSTER_JOB = new URL('./poster.job.ts', import.meta.url);
const REMUX_JOB = new URL('./remux.job.ts', import.meta.url);

/** Reading every packet of a long 4K video takes a second or two. */
const PROBE_TIMEOUT_MS = 60_000;
/** Seeks to a few positions and decodes from the key frame before each. */
const POSTER_TIMEOUT_MS = 60_000;
/** Reads and writes the whole file, and once more to move the index to the front. */
const REMUX_TIMEOUT_MS = 120_000;
/** How many bytes of a file that is not a video are logged. */
const BEGINNING_BYTES = 80;

/**
 * Reads the format of a finished video and checks, without decoding, that all the data its container declares is present.
 * Resolves with a verdict on the bytes. Throws if there is none: the child died or hung, or the file could not be read.
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
  const verdict = await native.run<{ path: string }, ProbeVerdict>(
    PROBE_JOB,
    { path },
    { timeoutMs: PROBE_TIMEOUT_MS },
  );
  return verdict.ok || verdict.problem !== 'not_video'
    ? verdict
    : { ...verdict, detail: `${verdict.detail}; the file begins with ${beginning}` };
}

/** The first bytes as text, by which an operator recognizes a web page, an error message or an image. */
async function beginningOf(file: FileHandle): Promise<string> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return JSON.stringify(buffer.toString('latin1', 0, bytesRead).replace(/[^ -~]+/g, ' '));
}

/** Writes a poster of a video: a JPEG, at most 1280 pixels wide, of a frame about one third in that is not black. */
export function makePoster(native: NativePool, videoPath: string, outPath: string): Promise<void> {
  return native.run<PosterInput, void>(POSTER_JOB, { videoPath, outPath }, { timeoutMs: POSTER_TIMEOUT_MS });
}

/** Makes a poster of a video as a temporary file, which exists until `use` has settled. */
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

/**
 * Remuxes a video from another container into an MP4 with its index in front, without re-encoding. Resolves with a verdict on
 * the bytes. Throws if there is none: the child died or hung, or the disk is full.
 */
export function remuxVideo(native: NativePool, path: string, outPath: string): Promise<RemuxVerdict> {
  return native.run<RemuxInput, RemuxVerdict>(REMUX_JOB, { path, outPath }, { timeoutMs: REMUX_TIMEOUT_MS });
}
