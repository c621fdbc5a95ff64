import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { RenderSpec } from '@onetake/renderer';
import type { Reason } from '../../tasks/reasons.ts';

/** Why a render ended without a video. */
export interface RenderFailure {
  readonly reason: Reason;
  readonly message: string;
  readonly detail?: string;
  /** Milliseconds UTC. */
  readonly endedAt: number;
}

/**
 * The durable state of preview jobs: the files of a job are its state. A spec alone is a job to do. With a video the job has
 * succeeded, with a failure it has failed. Each file appears whole or not at all.
 */
export interface JobFiles {
  saveSpec(key: string, spec: RenderSpec): Promise<void>;
  readSpec(key: string): Promise<RenderSpec | undefined>;
  /** Saves an input image and resolves with its file name. */
  saveImage(key: string, role: 'first' | 'last', image: Readable): Promise<string>;
  saveFailure(key: string, failure: RenderFailure): Promise<void>;
  readFailure(key: string): Promise<RenderFailure | undefined>;
  /** The finished video: its length, and when it was rendered, milliseconds UTC. */
  video(key: string): Promise<{ readonly bytes: number; readonly endedAt: number } | undefined>;
  openVideo(key: string, offset: number): Readable;
  /** Makes a rendered file the job's video. */
  publishVideo(key: string): Promise<void>;
  /** Where a render writes before its video is published. */
  draftPath(key: string): string;
  /** Removes all files of a job. */
  remove(key: string): Promise<void>;
}

/** File name of a job's video, also its result reference. */
export const videoName = (key: string): string => `${key}.mp4`;

export function createJobFiles(dir: string): JobFiles {
  const path = (name: string): string => join(dir, name);
  const specPath = (key: string): string => path(`${key}.json`);
  const failurePath = (key: string): string => path(`${key}.failed.json`);
  const imageName = (key: string, role: string): string => `${key}.${role}`;
  const draftPath = (key: string): string => path(`${key}.draft.mp4`);

  /** Writes to a draft, syncs it, renames it and syncs the folder, so that a power loss does not undo it. */
  async function writeDurably(target: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
    await mkdir(dir, { recursive: true });
    const draft = `${target}.part`;
    const file = await open(draft, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(draft, target);
  }

  async function publish(draft: string, target: string): Promise<void> {
    await rename(draft, target);
    const folder = await open(dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  return {
    draftPath,
    saveSpec: (key, spec) => writeDurably(specPath(key), (file) => file.writeFile(JSON.stringify(spec))),
    readSpec: (key) => readJson<RenderSpec>(specPath(key)),
    async saveImage(key, role, image) {
      const name = imageName(key, role);
      await writeDurably(path(name), (file) => file.writeFile(image));
      return name;
    },
    async saveFailure(key, failure) {
      await writeDurably(failurePath(key), (file) => file.writeFile(JSON.stringify(failure)));
      // A killed render leaves half a video.
      await rm(draftPath(key), { force: true });
    },
    readFailure: (key) => readJson<RenderFailure>(failurePath(key)),
    async video(key) {
      const found = await unlessMissing(stat(path(videoName(key))));
      return found && { bytes: found.size, endedAt: Math.floor(found.mtimeMs) };
    },
    openVideo: (key, offset) => createReadStream(path(videoName(key)), { start: offset }),
    async publishVideo(key) {
      const file = await open(draftPath(key), 'r+');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
      await publish(draftPath(key), path(videoName(key)));
    },
    async remove(key) {
      // The spec goes last: the job is known as long as it exists.
      const names = [imageName(key, 'first'), imageName(key, 'last'), videoName(key)];
      const all = [draftPath(key), failurePath(key), ...names.map(path), specPath(key)];
      for (const one of all) await rm(one, { force: true });
    },
  };
}

/** Only the gateway writes these files, so their content needs no check. */
async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await unlessMissing(readFile(path, 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Longer than any task may take: `ONETAKE_TASK_DEADLINE_MINUTES` is at most a week. Milliseconds. */
const OLD_MS = 8 * 86_400_000;

/** The name of a job's file: its key, then the kind of file. */
const JOB_FILE = /^[0-9a-f]{32}\./;

/** Removes the files of jobs that another node took over, or that a crash left behind. */
export async function removeLeftovers(dir: string, now: number): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    if (!JOB_FILE.test(name)) continue;
    const path = join(dir, name);
    const age = now - (await stat(path).catch(() => ({ mtimeMs: now }))).mtimeMs;
    if (age > OLD_MS) await rm(path, { force: true });
  }
}
