import { AV_NOPTS_VALUE, AV_PKT_FLAG_CORRUPT, AVERROR_EOF } from 'node-av/constants';
import { type FormatContext, Packet, type Stream } from 'node-av/lib';
import { throwIfMachine } from './openVideo.ts';

/** How far the packets of a file reach. */
export interface Extent {
  /** Seconds from the first packet to the end of the last one: of the longest stream, and of the stream that was asked for. */
  readonly end: number;
  readonly streamEnd: number;
  readonly damage: string | undefined;
}

/** AVFormatContext.duration is in microseconds (AV_TIME_BASE). */
const MICROSECONDS = 1_000_000;

/** Containers round durations, and edit lists trim a few frames. More than this is missing from a truncated file. */
const tolerance = (seconds: number): number => Math.max(0.5, seconds * 0.03);

/** What shows that a file is shorter than its container declares; undefined if it is complete. */
export function missingData(context: FormatContext, { end, streamEnd, damage }: Extent): string | undefined {
  if (damage) return damage;
  const declared = context.duration === AV_NOPTS_VALUE ? 0 : Number(context.duration) / MICROSECONDS;
  if (streamEnd <= 0) return 'the stream has no packets';
  return end < declared - tolerance(declared)
    ? `data ends at ${end.toFixed(2)} s of ${declared.toFixed(2)} s`
    : undefined;
}

/** Reads every packet, without decoding any. */
export async function extentOf(context: FormatContext, wanted: Stream): Promise<Extent> {
  using packet = new Packet();
  packet.alloc();
  const spans = new Map<number, Span>();
  let damage: string | undefined;
  while (damage === undefined) {
    const code = await context.readFrame(packet);
    if (code === AVERROR_EOF) break;
    if (code < 0) {
      throwIfMachine(code);
      damage = `a packet cannot be read (FFmpeg error ${code})`;
      break;
    }
    const stream = context.streams[packet.streamIndex];
    if (packet.hasFlags(AV_PKT_FLAG_CORRUPT)) damage = 'a packet is cut short';
    const time = packet.pts === AV_NOPTS_VALUE ? packet.dts : packet.pts;
    if (stream && time !== AV_NOPTS_VALUE) {
      const from = Number(time);
      const to = from + Number(packet.duration);
      const span = spans.get(stream.index) ?? { stream, from, to };
      spans.set(stream.index, { stream, from: Math.min(span.from, from), to: Math.max(span.to, to) });
    }
    packet.unref();
  }
  return {
    end: Math.max(0, ...[...spans.values()].map(secondsOf)),
    streamEnd: secondsOf(spans.get(wanted.index)),
    damage,
  };
}

/** From the first packet of a stream to the end of its last, as integers in the stream's time base. Their difference is exact. */
interface Span {
  readonly stream: Stream;
  readonly from: number;
  readonly to: number;
}

function secondsOf(span: Span | undefined): number {
  if (!span) return 0;
  const { num, den } = span.stream.timeBase;
  return ((span.to - span.from) * num) / den;
}
