import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AudioCodec,
  type Container,
  createVideoWriter,
  type PictureTrack,
  probe,
  type SoundTrack,
  type VideoCodec,
  type VideoFormat,
  writeLoop,
} from '../src/index.ts';

const WIDTH = 64;
const HEIGHT = 48;
const SAMPLE_RATE = 48_000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onetake-video-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const picture = (changes: Partial<PictureTrack> = {}): PictureTrack => ({
  codec: 'h264',
  width: WIDTH,
  height: HEIGHT,
  fps: 24,
  keyFrameInterval: 24,
  pixels: 'yuv420p',
  ...changes,
});

const sound = (seconds: number, changes: Partial<SoundTrack> = {}): SoundTrack => ({
  codec: 'aac',
  sampleRate: SAMPLE_RATE,
  channels: [new Float32Array(seconds * SAMPLE_RATE), new Float32Array(seconds * SAMPLE_RATE)],
  ...changes,
});

const grey = (level: number): Buffer =>
  Buffer.alloc((WIDTH * HEIGHT * 3) / 2, 128).fill(level, 0, WIDTH * HEIGHT);

async function written(format: VideoFormat, frames: readonly Buffer[]): Promise<Buffer> {
  const path = join(folder, 'video');
  const writer = await createVideoWriter(path, format);
  for (const frame of frames) await writer.write(frame);
  await writer.finish();
  return readFile(path);
}

const second = Array.from({ length: 24 }, (_, index) => grey(60 + index * 4));

describe('a written video', () => {
  it.each<[Container, VideoCodec, AudioCodec, readonly string[]]>([
    ['mp4', 'h264', 'aac', ['h264', 'aac']],
    ['mov', 'h264', 'aac', ['h264', 'aac']],
    ['webm', 'vp8', 'opus', ['vp8', 'opus']],
    ['webm', 'vp9', 'opus', ['vp9', 'opus']],
    ['mpegts', 'h264', 'aac', ['h264', 'aac']],
    ['avi', 'h264', 'aac', ['h264', 'aac']],
  ])('has its tracks: %s, %s, %s', async (container, video, audio, codecs) => {
    const bytes = await written(
      { container, picture: picture({ codec: video }), sound: sound(1, { codec: audio }) },
      second,
    );
    expect(await probe(bytes)).toEqual({ width: WIDTH, height: HEIGHT, seconds: 1, fps: 24, codecs });
  });

  it('has the same bytes for the same frames, and others for other frames', async () => {
    const format: VideoFormat = { container: 'mp4', picture: picture({ threads: 1 }), sound: sound(1) };
    const bytes = await written(format, second);
    expect((await written(format, second)).equals(bytes)).toBe(true);
    expect((await written(format, second.toReversed())).equals(bytes)).toBe(false);
  });

  it.each(['front', 'end'] as const)('has its index at the %s', async (index) => {
    const bytes = await written({ container: 'mp4', picture: picture(), index }, second);
    const [moov, mdat] = [bytes.indexOf('moov'), bytes.indexOf('mdat')];
    expect(Math.min(moov, mdat)).toBeGreaterThan(0);
    expect(moov < mdat).toBe(index === 'front');
  });

  it('turns red, green and blue into luma and chroma of studio range', async () => {
    const white = Buffer.alloc(WIDTH * HEIGHT * 4, 255);
    const fromRgb = await written({ container: 'mp4', picture: picture({ pixels: 'rgba' }) }, [white]);
    const fromYuv = await written({ container: 'mp4', picture: picture() }, [grey(235)]);
    expect(fromRgb.equals(fromYuv)).toBe(true);
  });

  it('does not name the FFmpeg that wrote it', async () => {
    const bytes = await written({ container: 'mp4', picture: picture(), sound: sound(1) }, second);
    for (const name of ['Lavf', 'Lavc']) expect(bytes.includes(name), name).toBe(false);
  });

  it('keeps pictures and sound close together, so that a player need not read ahead', async () => {
    // Longer than FFmpeg itself would wait for the other track.
    const SECONDS = 30;
    const path = join(folder, 'long.ts');
    const format: VideoFormat = { container: 'mpegts', picture: LOOPED, sound: sound(SECONDS) };
    await writeLoop(path, { ...format, picture: LOOPED }, second, SECONDS * 24);
    const bytes = await readFile(path);
    // Packets of a transport stream: 188 bytes, each with the number of its track.
    const tracks = Array.from(
      { length: bytes.length / 188 },
      (_, at) => bytes.readUInt16BE(at * 188 + 1) & 0x1fff,
    );
    const withoutSound = tracks
      .filter((track) => track <= 0x101)
      .join(' ')
      .split(String(0x101));
    expect(Math.max(...withoutSound.map((run) => run.split(' ').length))).toBeLessThan(100);
  });
});

/** One packet for every frame. */
const LOOPED = picture({ options: { preset: 'ultrafast', tune: 'zerolatency' }, threads: 1 });

describe('a loop', () => {
  it.each([5, 24, 60])('has the requested number of frames: %d', async (count) => {
    const path = join(folder, 'loop.mp4');
    await writeLoop(path, { container: 'mp4', picture: LOOPED }, second, count);
    expect((await probe(await readFile(path))).seconds).toBeCloseTo(count / 24, 5);
  });
});
