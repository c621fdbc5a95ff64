import { constants } from 'node:os';
import { join } from 'node:path';
import { AVERROR_INVALIDDATA } from 'node-av/constants';
import { FormatContext } from 'node-av/lib';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inspectImage } from '../../../src/media/inspect/image.ts';
import { run as makePoster } from '../../../src/media/inspect/poster.job.ts';
import { run as probe } from '../../../src/media/inspect/probe.job.ts';
import { run as remux } from '../../../src/media/inspect/remux.job.ts';
import * as video from '../../../src/media/inspect/video.ts';
import { createNativePool, type NativePool, type RunOptions } from '../../../src/native/pool.ts';
import { makeVideo } from '../../support/makeVideo.ts';
import { LISTS_OPEN_FILES, openFilesIn } from '../../support/openFiles.ts';
import { childrenOfThis, tellsChildren } from '../../support/processes/nativeChildren.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function aVideo() {
  const dir = await tempFolder();
  const path = join(dir, 'video');
  await makeVideo(path, { container: 'webm' });
  return { dir, path, outPath: join(dir, 'out') };
}

// A child does many jobs, and has a limited number of descriptors.
it.skipIf(!LISTS_OPEN_FILES)('no job leaves a file open, successful or not', async () => {
  const { dir, path, outPath } = await aVideo();
  await makePoster({ videoPath: path, outPath });
  expect(await probe({ path })).toMatchObject({ ok: true });
  // VP8 is refused in an MP4.
  expect(await remux({ path, outPath })).toMatchObject({ ok: false });
  await makeVideo(path, { container: 'mpegts' });
  expect(await remux({ path, outPath })).toMatchObject({ ok: true });
  expect(await openFilesIn(dir)).toEqual([]);
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
  await video.prepareProbe(native);
  await video.probeVideo(native, path);
  await video.makePoster(native, path, outPath);
  await video.remuxVideo(native, path, outPath);
  await inspectImage(native, path);
  expect(limits).toEqual([1, 2, 3, 4, 5].map(() => expect.any(Number)));
});

it.runIf(tellsChildren)('a prepared probe runs in the child that is there', async () => {
  const native = createNativePool({ concurrency: 2 });
  onTestFinished(() => native.close());
  await video.prepareProbe(native);
  const [child, ...others] = childrenOfThis();
  expect([child, others]).toEqual([expect.any(Number), []]);
  const { path } = await aVideo();
  expect(await video.probeVideo(native, path)).toMatchObject({ ok: true });
  expect(childrenOfThis()).toEqual([child]);
});

it('a packet that cannot be read is damage of the video, unless the machine is at fault', async () => {
  const { path } = await aVideo();
  const reading = vi.spyOn(FormatContext.prototype, 'readFrame');
  onTestFinished(() => void reading.mockRestore());
  reading.mockResolvedValueOnce(AVERROR_INVALIDDATA);
  expect(await probe({ path })).toEqual({
    ok: false,
    problem: 'truncated',
    detail: `a packet cannot be read (FFmpeg error ${AVERROR_INVALIDDATA})`,
  });
  reading.mockResolvedValueOnce(-constants.errno.EIO);
  await expect(probe({ path })).rejects.toThrow('Could not read the video');
});

it('streams that cannot be described are no video, unless the machine is at fault', async () => {
  const { path } = await aVideo();
  const describing = vi.spyOn(FormatContext.prototype, 'findStreamInfo');
  onTestFinished(() => void describing.mockRestore());
  describing.mockResolvedValueOnce(AVERROR_INVALIDDATA);
  expect(await probe({ path })).toMatchObject({ ok: false, problem: 'not_video' });
  describing.mockResolvedValueOnce(-constants.errno.ENOMEM);
  await expect(probe({ path })).rejects.toThrow('Could not read the video');
});
