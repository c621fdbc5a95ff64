import { createVideoWriter, type VideoWriter } from '@onetake/video';

/** Frames per second. */
export const FPS = 24;
/** Hertz. */
export const SAMPLE_RATE = 48_000;

/** Fixed, because x264 gives the same bytes on every machine only for the same number of threads. */
const X264_THREADS = 2;
/** A key frame every two seconds: quick to seek and cheap to store. */
const KEY_FRAME_INTERVAL = 2 * FPS;
/**
 * Without macroblock trees. At widths such as 854, x264's vector code for them sometimes gives different bytes. This was seen with the
 * x264 of FFmpeg 8, and never without vector code or without the trees.
 */
const X264 = { preset: 'veryfast', crf: '23', 'x264-params': 'sliced-threads=0:mbtree=0' };
const AAC_BITS_PER_SECOND = 128_000;

/** A stereo sound track: the samples of each channel, -1 to 1. */
export type Samples = readonly [Float32Array, Float32Array];

/** Opens an MP4 for writing: H.264 High, 4:2:0, BT.709, and AAC if there is sound. Frames are RGBA. */
export const createMp4 = (
  path: string,
  { width, height }: { readonly width: number; readonly height: number },
  sound: Samples | undefined,
): Promise<VideoWriter> =>
  createVideoWriter(path, {
    container: 'mp4',
    picture: {
      codec: 'h264',
      width,
      height,
      fps: FPS,
      keyFrameInterval: KEY_FRAME_INTERVAL,
      pixels: 'rgba',
      threads: X264_THREADS,
      options: X264,
    },
    ...(sound && {
      sound: {
        codec: 'aac',
        sampleRate: SAMPLE_RATE,
        channels: sound,
        bitsPerSecond: AAC_BITS_PER_SECOND,
      },
    }),
  });
