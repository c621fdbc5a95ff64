import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { inspectImage } from '../../../src/media/inspect/image.ts';
import { run as makePoster } from '../../../src/media/inspect/poster.job.ts';
import { run as probe } from '../../../src/media/inspect/probe.job.ts';
import { run as remux } from '../../../src/media/inspect/remux.job.ts';
import * as video from '../../../src/media/inspect/video.ts';
import type { NativePool, RunOptions } from '../../../src/native/pool.ts';
import { makeVideo } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function aVideo() {
  const dir = await tempFolder();
  const path = join(dir, 'video');
  await makeVideo(path, { container: 'webm' });
  return { dir, path, outPath: join(dir, 'out') };
}

/** The files of a folder that this process has open. */
async function openIn(dir: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd');
  const paths = await Promise.all(
    descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
  );
  return paths.filter((path) => path.startsWith(dir));
}

// A child does many jobs, and has a limited number of descriptors.
it.skipIf(!existsSync('/proc/self/fd'))('no job leaves a file open, successful or not', async () => {
  const { dir, path, outPath } = await aVideo();
  await makePoster({ videoPath: path, outPath });
  expect(await probe({ path })).toMatchObject({ ok: true });
  // VP8 is refused in an MP4.
  expect(await remux({ path, outPath })).toMatchObject({ ok: false });
  await makeVideo(path, { container: 'mpegts' });
  expect(await remux({ path, outPath })).toMatchObject({ ok: true });
  expect(await openIn(dir)).toEqual([]);
});

it('every job has a time limit', async () => {
  const { path, outPath } = await aVideo();
  const limits: (number | undefined)[] = [];
  const native = {
    async run(_job: URL, _input: unknown, options?: RunOptions) {
      limits.push(options?.timeoutMs);
      return { ok: true };
    },
  } as unknown as NativePool;
  await video.probeVideo(native, path);
  await video.makePoster(native, path, outPath);
  await video.remuxVideo(native, path, outPath);
  await inspectImage(native, path);
  expect(limits).toEqual([1, 2, 3, 4].map(() => expect.any(Number)));
});
