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
