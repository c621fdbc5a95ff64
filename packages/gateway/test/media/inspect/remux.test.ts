import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { probeVideo, remuxVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { type EncodedOptions, encodeVideo } from '../../support/encodeVideo.ts';
import { makeVideo, type VideoOptions } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

async function made(options: VideoOptions | EncodedOptions) {
  const dir = await tempFolder();
  const path = join(dir, 'made');
  await ('encoders' in options ? encodeVideo(path, options) : makeVideo(path, options));
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
    const bytes = await readFile(outPath);
    expect(bytes.equals(await readFile(`${outPath}2`))).toBe(true);
    // Another version of FFmpeg would write another name.
    expect(bytes.includes('Lavf')).toBe(false);
  });

  it.each([
    ['matroska', 'libx265', 'libmp3lame', 'hevc', 'mp3', 'hvc1'],
    ['matroska', 'libsvtav1', 'libopus', 'av1', 'opus', 'av01'],
    ['matroska', 'libvpx-vp9', 'flac', 'vp9', 'flac', 'vp09'],
    ['matroska', 'mpeg4', 'ac3', 'mpeg4', 'ac3', 'mp4v'],
    ['matroska', 'libx264', 'eac3', 'h264', 'eac3', 'avc1'],
    ['matroska', 'libx264', 'alac', 'h264', 'alac', 'avc1'],
    // An AVI tells when a picture is decoded, and not when it is shown.
    ['avi', 'mpeg4', 'libmp3lame', 'mpeg4', 'mp3', 'mp4v'],
  ])(
    'keeps the codecs of %s with %s and %s',
    async (container, picture, sound, videoCodec, audioCodec, tag) => {
      const { path, outPath } = await made({ container, encoders: [picture, sound] });
      expect(await remuxVideo(native, path, outPath)).toEqual({ ok: true });
      expect(await probeVideo(native, outPath)).toMatchObject({
        ok: true,
        probe: { videoCodec, audioCodec },
      });
      expect((await readFile(outPath)).includes(tag)).toBe(true);
    },
  );

  it.each([
    ['vp8', ['libvpx']],
    ['mpeg2video', ['mpeg2video', 'aac']],
    ['vorbis', ['libx264', 'libvorbis']],
    ['mp2', ['libx264', 'aac', 'mp2']],
  ])('with the codec %s, which no player supports in an MP4, gets that verdict', async (codec, encoders) => {
    const { path, outPath } = await made({ container: 'matroska', encoders });
    expect(await remuxVideo(native, path, outPath)).toEqual({
      ok: false,
      problem: 'not_mp4',
      detail: `${codec} is not a codec that players support in an MP4`,
    });
  });

  it('leaves out all pictures but the first', async () => {
    const { path, outPath } = await made({
      container: 'matroska',
      encoders: ['libx264', 'mpeg4', 'aac', 'ac3'],
    });
    expect(await remuxVideo(native, path, outPath)).toEqual({ ok: true });
    const bytes = await readFile(outPath);
    expect(['avc1', 'mp4v', 'mp4a', 'ac-3'].map((tag) => bytes.includes(tag))).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it('that is no video gets that verdict', async () => {
    const { path, outPath } = await made({});
    await writeFile(path, '<!doctype html>');
    expect(await remuxVideo(native, path, outPath)).toMatchObject({ ok: false, problem: 'not_mp4' });
    const sound = await made({ seconds: 0, audioSeconds: 1 });
    const verdict = await remuxVideo(native, sound.path, sound.outPath);
    expect(verdict).toEqual({ ok: false, problem: 'not_mp4', detail: 'the container has no video stream' });
  });

  it('that cannot be read, or not be written, is a problem of the machine', async () => {
    const { path, outPath } = await made({ container: 'mpegts' });
    await expect(remuxVideo(native, `${path}-missing`, outPath)).rejects.toThrow('Could not');
    await expect(remuxVideo(native, path, join(path, 'no-folder'))).rejects.toThrow('Could not');
  });
});
