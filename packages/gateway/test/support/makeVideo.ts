import { readFile, writeFile } from 'node:fs/promises';
import { type Container, createVideoWriter } from '@onetake/video';

export interface VideoOptions {
  readonly container?: Container;
  /** Of the video; 0 for none. */
  readonly seconds?: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Seconds of a sound track. */
  readonly audioSeconds?: number;
  /** MP4: the position of the index. */
  readonly index?: 'front' | 'end';
  /** Brightness (16-235) at a time in seconds. */
  readonly luma?: (second: number) => number;
}

const SAMPLE_RATE = 44_100;

/** Encodes a small grey video into a file. */
export async function makeVideo(path: string, options: VideoOptions = {}): Promise<void> {
  const { container = 'mp4', seconds = 1, width = 64, height = 48, fps = 24, audioSeconds = 0 } = options;
  const { index = 'front', luma = (second) => 60 + second * 20 } = options;
  const writer = await createVideoWriter(path, {
    container,
    index,
    ...(seconds > 0 && {
      picture: {
        codec: container === 'webm' ? 'vp8' : 'h264',
        width,
        height,
        fps,
        keyFrameInterval: fps,
        pixels: 'yuv420p',
      },
    }),
    ...(audioSeconds > 0 && {
      sound: {
        codec: 'aac',
        sampleRate: SAMPLE_RATE,
        channels: [new Float32Array(Math.round(audioSeconds * SAMPLE_RATE))],
      },
    }),
  });
  for (let frame = 0; frame < seconds * fps; frame++) {
    const grey = Buffer.alloc((width * height * 3) / 2, 128);
    await writer.write(grey.fill(Math.round(luma(frame / fps)), 0, width * height));
  }
  await writer.finish();
}

/** Gives an AVI of 24 frames a second the rate of NTSC film: 24000/1001. */
export async function setNtscRate(path: string): Promise<void> {
  const bytes = await readFile(path);
  // Of the stream's header ("AVI RIFF File Reference", AVISTREAMHEADER): scale and rate.
  const at = bytes.indexOf('strh', 0, 'latin1') + 8 + 20;
  if (bytes.readUInt32LE(at) !== 1 || bytes.readUInt32LE(at + 4) !== 24)
    throw new Error('not 24 frames a second');
  bytes.writeUInt32LE(1001, at);
  bytes.writeUInt32LE(24_000, at + 4);
  await writeFile(path, bytes);
}
