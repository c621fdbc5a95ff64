import { AV_NOPTS_VALUE, AVSEEK_FLAG_BACKWARD } from 'node-av/constants';
import { Codec, CodecContext, type FormatContext, Frame, Packet, type Stream } from 'node-av/lib';
import { openVideo, videoStreamOf } from './openVideo.ts';

/** AVFormatContext.duration is in microseconds (AV_TIME_BASE). */
const MICROSECONDS = 1_000_000;

/**
 * Decodes the frame at `place` (0-1) of a video's duration, or the last frame if the video ends before; undefined if no frame
 * can be decoded. The caller frees it.
 */
export async function decodeFrameAt(path: string, place: number): Promise<Frame | undefined> {
  return withDecoder(path, async ({ context, stream, frames, timeAt }) => {
    const target = timeAt(place);
    await context.seekFrame(stream.index, target, AVSEEK_FLAG_BACKWARD);
    let last: Frame | undefined;
    for await (const frame of frames) {
      last?.free();
      last = frame;
      if (frame.bestEffortTimestamp >= target) break;
    }
    return last;
  });
}

/**
 * Decodes a video once, and calls `use` for each of the places (0-1, ascending) of its duration with the frame there, or with the last
 * one if the video ends before. Resolves with false if no frame can be decoded.
 */
export async function decodeFramesAt(
  path: string,
  places: readonly number[],
  use: (frame: Frame, index: number) => Promise<void>,
): Promise<boolean> {
  const done = await withDecoder(path, async ({ frames, timeAt }) => {
    const targets = places.map(timeAt);
    let next = 0;
    let last: Frame | undefined;
    try {
      for await (const frame of frames) {
        last?.free();
        last = frame;
        for (let at = targets[next]; at !== undefined && frame.bestEffortTimestamp >= at; at = targets[next])
          await use(frame, next++);
        if (next === targets.length) break;
      }
      while (last && next < targets.length) await use(last, next++);
      return last !== undefined;
    } finally {
      last?.free();
    }
  });
  return done ?? false;
}

interface Decoding {
  readonly context: FormatContext;
  readonly stream: Stream;
  /** In the order in which they are shown. The caller frees each. */
  readonly frames: AsyncIterable<Frame>;
  /** The timestamp at a place of the duration. */
  timeAt(place: number): bigint;
}

/** Opens the video of a file for decoding; undefined if it cannot be decoded. */
async function withDecoder<T>(path: string, use: (decoding: Decoding) => Promise<T>): Promise<T | undefined> {
  const context = await openVideo(path);
  if (!context) return undefined;
  try {
    const stream = videoStreamOf(context);
    if (!stream) return undefined;
    using decoder = new CodecContext();
    decoder.allocContext3(Codec.findDecoder(stream.codecpar.codecId));
    decoder.parametersToContext(stream.codecpar);
    if ((await decoder.open2()) < 0) return undefined;

    const start = context.startTime === AV_NOPTS_VALUE ? 0 : Number(context.startTime) / MICROSECONDS;
    const duration = context.duration === AV_NOPTS_VALUE ? 0 : Number(context.duration) / MICROSECONDS;
    const timeAt = (place: number) => toUnits(start + duration * place, stream);
    return await use({ context, stream, frames: framesOf(context, decoder, stream), timeAt });
  } finally {
    await context.closeInput();
  }
}

const toUnits = (seconds: number, { timeBase }: Stream): bigint =>
  BigInt(Math.round((seconds * timeBase.den) / timeBase.num));

async function* framesOf(
  context: FormatContext,
  decoder: CodecContext,
  stream: Stream,
): AsyncGenerator<Frame, void, undefined> {
  using packet = new Packet();
  packet.alloc();
  for (let ended = false; !ended; ) {
    ended = (await context.readFrame(packet)) < 0;
    if (!ended && packet.streamIndex !== stream.index) {
      packet.unref();
      continue;
    }
    await decoder.sendPacket(ended ? null : packet);
    if (!ended) packet.unref();
    for (;;) {
      const frame = new Frame();
      frame.alloc();
      const code = await decoder.receiveFrame(frame);
      if (code < 0) {
        frame.free();
        break;
      }
      yield frame;
    }
  }
}
