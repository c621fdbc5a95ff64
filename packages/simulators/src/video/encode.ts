import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PictureTrack, type SoundTrack, writeLoop } from '@onetake/video';
import type { Container, MakeRequest } from './maker.ts';
import { FPS, pictureAt } from './picture.ts';

/** Without B-frames and look-ahead each frame gives one packet, in order, as `writeLoop` needs. */
const X264 = { preset: 'ultrafast', tune: 'zerolatency', crf: '30' };
const VP9 = {
  deadline: 'realtime',
  'cpu-used': '8',
  'lag-in-frames': '0',
  'auto-alt-ref': '0',
  crf: '40',
  b: '0',
};
const SAMPLE_RATE = 48_000;
const SOUND_BITS_PER_SECOND = 64_000;
const TONE_HZ = 440;

type VideoRequest = MakeRequest & { readonly kind: Container };

/** A video in the requested container. One second is encoded and repeated. */
export async function encodeVideo(request: VideoRequest): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-simulators-'));
  try {
    const path = join(folder, 'video');
    const frames = Math.max(1, Math.round(request.seconds * FPS));
    const second = Array.from({ length: Math.min(FPS, frames) }, (_, index) => pictureAt(request, index));
    const format = {
      container: request.kind,
      picture: pictureTrack(request),
      ...(request.audio && { sound: tone(request) }),
    };
    await writeLoop(path, format, second, frames);
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const pictureTrack = ({ kind, width, height }: VideoRequest): PictureTrack => ({
  codec: kind === 'webm' ? 'vp9' : 'h264',
  width,
  height,
  fps: FPS,
  keyFrameInterval: FPS,
  pixels: 'yuv420p',
  threads: 1,
  options: kind === 'webm' ? VP9 : X264,
});

function tone({ kind, seconds }: VideoRequest): SoundTrack {
  const samples = Float32Array.from(
    { length: Math.round(seconds * SAMPLE_RATE) },
    (_, index) => 0.1 * Math.sin((2 * Math.PI * TONE_HZ * index) / SAMPLE_RATE),
  );
  return {
    codec: kind === 'webm' ? 'opus' : 'aac',
    sampleRate: SAMPLE_RATE,
    channels: [samples, samples],
    bitsPerSecond: SOUND_BITS_PER_SECOND,
  };
}
