import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { probeVideo, remuxVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { makeVideo, type VideoOptions } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

async function made(options: VideoOptions) {
  const dir = await tempFolder();
  const path = join(dir, 'made');
  await makeVideo(path, options);
  return { path, outPath: join(dir, 'remuxed.mp4.part') };
}

describe('a video in another container', () => {
  it.each<VideoOptions>([
    { container: 'mpegts', seconds: 2, audioSeconds: 2 },
    { container: 'mpegts', seconds: 2 },
    { container: 'mp4', seconds: 2, audioSeconds: 2, index: 'end' },
  ])('becomes an MP4 with its index at the front: %j', async (options) => {
    const { path, outPath } = await made(options);
    expect(await remuxVideo(native, path, outPath)).toEqual({ ok: true });
    const [before, after] = [await probeVideo(native, path), await probeVideo(native, outPath)];
    if (!before.ok || !after.ok) throw new Error(JSON.stringify([before, after]));
    expect(after.probe).toMatchObject({
      container: 'mp4',
      videoCodec: 'h264',
      duration: before.probe.duration,
      fps: before.probe.fps,
    });
    expect(after.probe.audioCodec).toBe(before.probe.audioCodec);
    const bytes = await readFile(outPath);
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
  });

  it('always becomes the same bytes', async () => {
    const { path, outPath } = await made({ container: 'mpegts', audioSeconds: 1 });
    await remuxVideo(native, path, outPath);
    await remuxVideo(native, path, `${outPath}2`);
    expect((await readFile(outPath)).equals(await readFile(`${outPath}2`))).toBe(true);
  });

  it('with a codec that no player supports in an MP4 gets that verdict', async () => {
    const { path, outPath } = await made({ container: 'webm' });
    const verdict = await remuxVideo(native, path, outPath);
    expect(verdict).toMatchObject({ ok: false, problem: 'not_mp4', detail: expect.stringContaining('vp8') });
  });

  it('that is no video gets that verdict', async () => {
    const { path, outPath } = await made({});
    await writeFile(path, '<!doctype html>');
    expect(await remuxVideo(native, path, outPath)).toMatchObject({ ok: false, problem: 'not_mp4' });
  });

  it('that cannot be read, or not be written, is a problem of the machine', async () => {
    const { path, outPath } = await made({ container: 'mpegts' });
    await expect(remuxVideo(native, `${path}-missing`, outPath)).rejects.toThrow('Could not');
    await expect(remuxVideo(native, path, join(path, 'no-folder'))).rejects.toThrow('Could not');
  });
});
