import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativePool } from '../../native/pool.ts';
import type { ContentCredentials } from '../../tasks/task.ts';
import type { AudioVerdict } from './audio.job.ts';
import { checkMp4Boxes } from './mp4Boxes.ts';
import type { PosterInput } from './poster.job.ts';
import type { ProbeVerdict } from './probe.job.ts';
import type { RemuxInput, RemuxVerdict } from './remux.job.ts';

const AUDIO_JOB = new URL('./audio.job.ts', import.meta.url);
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
  let contentCredentials: ContentCredentials;
  const file = await open(path);
  try {
    const { verdict, hasCredentials } = await checkMp4Boxes(file);
    if (verdict === 'truncated') {
      const detail = 'the file ends inside a box, or has no index (moov)';
      return { ok: false, problem: 'truncated', detail };
    }
    contentCredentials = hasCredentials ? 'present' : 'absent';
    beginning = await beginningOf(file);
  } finally {
    await file.close();
  }
  const verdict = await native.run<{ path: string }, ProbeVerdict>(
    PROBE_JOB,
    { path },
    { timeoutMs: PROBE_TIMEOUT_MS },
  );
  if (verdict.ok) return { ok: true, probe: { ...verdict.probe, contentCredentials } };
  return verdict.problem !== 'not_video'
    ? verdict
    : { ...verdict, detail: `${verdict.detail}; the file begins with ${beginning}` };
}

/**
 * Starts a child if none is idle, and lets it probe a file that is no video, so that its native code is loaded and warm: the first probe
 * of a child takes most of a second on a busy machine, a later one some ten milliseconds. Its idle time begins again.
 */
export async function prepareProbe(native: NativePool): Promise<void> {
  await native.run(PROBE_JOB, { path: fileURLToPath(PROBE_JOB) }, { timeoutMs: PROBE_TIMEOUT_MS });
}

/** The first bytes as text, by which an operator recognizes a web page, an error message or an image. */
async function beginningOf(file: FileHandle): Promise<string> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return JSON.stringify(buffer.toString('latin1', 0, bytesRead).replace(/[^ -~]+/g, ' '));
}

/** Reads the duration of a WAV or MP3 file and checks, without decoding, that it is complete. Throws if there is no verdict. */
export function probeAudio(native: NativePool, path: string): Promise<AudioVerdict> {
  return native.run<{ path: string }, AudioVerdict>(AUDIO_JOB, { path }, { timeoutMs: PROBE_TIMEOUT_MS });
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
