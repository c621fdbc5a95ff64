import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import type { Container } from '@onetake/video';
import {
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_UNSPECIFIED,
  type AVColorSpace,
} from 'node-av/constants';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeFrameAt } from '../../../src/media/inspect/decodeFrame.ts';
import { makePoster } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { type EncodedOptions, encodeVideo } from '../../support/encodeVideo.ts';
import { makeVideo, setNtscRate, type VideoOptions } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

/** The poster of a video, and the grey value in its middle. */
async function posterOf(options: VideoOptions, make = (path: string) => makeVideo(path, options)) {
  const dir = await tempFolder();
  const paths = { video: join(dir, 'video'), poster: join(dir, 'poster.jpg') };
  await make(paths.video);
  await makePoster(native, paths.video, paths.poster);
  const bytes = await readFile(paths.poster);
  const image = await loadImage(bytes);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const [red = 0, green = 0, blue = 0] = context.getImageData(image.width / 2, image.height / 2, 1, 1).data;
  return { bytes, width: image.width, height: image.height, pixel: [red, green, blue] as const };
}

describe('a poster', () => {
  it('is a JPEG of the size of a small video', async () => {
    const { bytes, width, height } = await posterOf({});
    expect(bytes.toString('hex', 0, 3)).toBe('ffd8ff');
    expect([width, height]).toEqual([64, 48]);
  });

  it('of a large video is 1280 pixels wide and keeps its aspect ratio', async () => {
    const { width, height } = await posterOf({ width: 1920, height: 1080, fps: 2 });
    expect([width, height]).toEqual([1280, 720]);
  });

  it.each<Container>(['mp4', 'webm', 'mpegts', 'avi'])('can be made from %s', async (container) => {
    expect(await posterOf({ container })).toMatchObject({ width: 64, height: 48 });
  });

  it('shows the frame at a third of the video, in its true brightness', async () => {
    // Studio range: 126 is the middle between black (16) and white (235).
    const { pixel } = await posterOf({
      seconds: 3,
      luma: (second) => (second < 0.9 || second > 1.1 ? 200 : 126),
    });
    for (const channel of pixel) expect(channel).toBeGreaterThan(120);
    for (const channel of pixel) expect(channel).toBeLessThan(136);
  });

  it('shows no black frame if the video has others', async () => {
    const { pixel } = await posterOf({ seconds: 4, luma: (second) => (second < 1.9 ? 16 : 180) });
    expect(pixel[0]).toBeGreaterThan(150);
  });

  it('takes a deep colour for no black', async () => {
    // RGB (20, 5, 200), which has a luma of 22, and then white.
    const yuv = [
      [43, 211, 121],
      [235, 128, 128],
    ] as const;
    const { pixel } = await posterOf({}, (path) =>
      encodeVideo(path, { container: 'mp4', encoders: ['libx264'], yuv }),
    );
    expect(pixel[2]).toBeGreaterThan(150);
    expect(pixel[1]).toBeLessThan(60);
  });

  it('of a completely black video is black', async () => {
    const { pixel } = await posterOf({ luma: () => 16 });
    expect(pixel[0]).toBeLessThan(5);
  });

  // One colour of YCbCr is another of RGB in BT.601, the standard of small pictures, than in BT.709, that of large ones.
  const BT601 = [241, 86, 49];
  const BT709 = [255, 97, 49];
  it.each<[string, number, AVColorSpace, readonly number[]]>([
    ['HD that declares none', 720, AVCOL_SPC_UNSPECIFIED, BT709],
    ['a smaller picture that declares none', 718, AVCOL_SPC_UNSPECIFIED, BT601],
    ['HD that declares the colours of a small picture', 720, AVCOL_SPC_SMPTE170M, BT601],
    ['a smaller picture that declares the colours of HD', 718, AVCOL_SPC_BT709, BT709],
  ])('has the colours that a player shows of %s', async (_what, height, colorSpace, rgb) => {
    const { pixel } = await posterOf({}, (path) =>
      encodeVideo(path, {
        container: 'mp4',
        encoders: ['libx264'],
        width: 64,
        height,
        yuv: [[126, 90, 200]],
        colorSpace,
      }),
    );
    for (const [index, channel] of pixel.entries())
      expect(Math.abs(channel - (rgb[index] ?? 0))).toBeLessThan(6);
  });

  it('can be made from a video of one frame', async () => {
    expect(await posterOf({ fps: 1, seconds: 1 })).toMatchObject({ width: 64 });
  });

  it('of a file that is no video fails, and leaves no file', async () => {
    const dir = await tempFolder();
    const video = join(dir, 'video.mp4');
    await writeFile(video, 'not a video');
    await expect(makePoster(native, video, join(dir, 'poster.jpg'))).rejects.toThrow(/no frame/);
    expect(await readdir(dir)).toEqual(['video.mp4']);
  });
});

describe('a decoded frame', () => {
  const SECONDS = 4;
  /** The brightness encodes the time: 40, and ten more per second. */
  async function secondAt(
    place: number,
    options: VideoOptions = {},
    change: (path: string) => Promise<void> = async () => undefined,
  ): Promise<number | undefined> {
    const path = join(await tempFolder(), 'video');
    await makeVideo(path, { seconds: SECONDS, luma: (second) => 40 + Math.floor(second) * 40, ...options });
    await change(path);
    using frame = await decodeFrameAt(path, place);
    return frame && Math.round(((frame.data?.[0]?.[0] ?? 0) - 40) / 40);
  }

  it.each([
    [0, 0],
    [0.3, 1],
    [0.6, 2],
    [1, 3],
  ])('at %f of the video is from second %i', async (place, second) => {
    expect(await secondAt(place)).toBe(second);
  });

  it('is counted from the start of the video, which is not zero in MPEG-TS', async () => {
    // Seeking in MPEG-TS does not look for key frames, so this may be the first decodable frame after the place.
    expect([2, 3]).toContain(await secondAt(0.6, { container: 'mpegts' }));
  });

  it('is found between the packets of the sound', async () => {
    expect(await secondAt(0.6, { audioSeconds: SECONDS })).toBe(2);
  });

  /** The number of the frame at a place of a video whose 24 frames get brighter and brighter. */
  async function frameAt(place: number, options: EncodedOptions): Promise<number> {
    const path = join(await tempFolder(), 'video');
    const yuv = Array.from({ length: 24 }, (_, frame) => [40 + 8 * frame, 128, 128] as const);
    await encodeVideo(path, { ...options, yuv });
    using frame = await decodeFrameAt(path, place);
    return Math.round(((frame?.data?.[0]?.[0] ?? 0) - 40) / 8);
  }

  it('is the last one at the end, also if the picture is the second track', async () => {
    expect(await frameAt(1, { container: 'mp4', encoders: ['aac', 'libx264'] })).toBe(23);
  });

  it('is found in a video that does not start at zero', async () => {
    const options = { container: 'mpegts', encoders: ['mpeg2video'], keyFrameInterval: 1 };
    expect(Math.abs((await frameAt(0.5, options)) - 12)).toBeLessThan(3);
  });

  it('is found where the unit of time is a fraction', async () => {
    const seconds = [0, 0.3, 0.6, 1].map((place) => secondAt(place, { container: 'avi' }, setNtscRate));
    expect(await Promise.all(seconds)).toEqual([0, 1, 2, 3]);
  });

  it('does not exist if there is no video', async () => {
    expect(await secondAt(0.5, { seconds: 0, audioSeconds: 1 })).toBeUndefined();
    const text = join(await tempFolder(), 'text');
    await writeFile(text, 'no video');
    expect(await decodeFrameAt(text, 0.5)).toBeUndefined();
  });
});
