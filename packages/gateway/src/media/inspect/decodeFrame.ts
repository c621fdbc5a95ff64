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
    const target = toUnits(start + duration * place, stream);
    await context.seekFrame(stream.index, target, AVSEEK_FLAG_BACKWARD);
    return await decodeUntil(context, decoder, stream, target);
  } finally {
    await context.closeInput();
  }
}

const toUnits = (seconds: number, { timeBase }: Stream): bigint =>
  BigInt(Math.round((seconds * timeBase.den) / timeBase.num));

async function decodeUntil(
  context: FormatContext,
  decoder: CodecContext,
  stream: Stream,
  target: bigint,
): Promise<Frame | undefined> {
  using packet = new Packet();
  packet.alloc();
  let last: Frame | undefined;
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
      last?.free();
      last = frame;
      if (frame.bestEffortTimestamp >= target) return last;
    }
  }
  return last;
}
