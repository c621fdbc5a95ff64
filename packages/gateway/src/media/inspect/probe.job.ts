import { AV_NOPTS_VALUE, AV_PKT_FLAG_CORRUPT, AVERROR_EOF, AVMEDIA_TYPE_AUDIO } from 'node-av/constants';
import { type FormatContext, Packet, type Stream } from 'node-av/lib';
import type { Probe } from '../media.ts';
import { codecOf, openVideo, throwIfMachine, videoStreamOf } from './openVideo.ts';

/** `truncated`: the file is shorter than its container declares. `not_mp4`: a complete video that cannot become an MP4 without loss. */
export type VideoProblem = 'not_video' | 'no_video_stream' | 'truncated' | 'not_mp4';

/** The file was read and is not a complete video. */
export interface BadVerdict {
  readonly ok: false;
  readonly problem: VideoProblem;
  readonly detail: string;
}

/** The result of probing a file. */
export type ProbeVerdict = { readonly ok: true; readonly probe: Probe } | BadVerdict;

/** An FFmpeg demuxer serves a family of containers. The first of these that its name contains is used (see `containerOf`). */
const CONTAINERS = ['mp4', 'webm', 'mpegts', 'avi'];

/** Containers round durations, and edit lists trim a few frames. More than this is missing from a truncated file. */
const tolerance = (seconds: number): number => Math.max(0.5, seconds * 0.03);

/** AVFormatContext.duration is in microseconds (AV_TIME_BASE). */
const MICROSECONDS = 1_000_000;

/** Runs in a native child: see `probeVideo`. */
export async function run({ path }: { path: string }): Promise<ProbeVerdict> {
  const context = await openVideo(path);
  if (!context) return bad('not_video', 'no known video container');
  try {
    const video = videoStreamOf(context);
    if (!video || video.codecpar.width === 0)
      return bad('no_video_stream', 'the container has no video stream');
    const { end, videoEnd, damage } = await readAllPackets(context, video);
    if (damage) return bad('truncated', damage);
    const declared = context.duration === AV_NOPTS_VALUE ? 0 : Number(context.duration) / MICROSECONDS;
    if (videoEnd <= 0) return bad('truncated', 'the video stream has no packets');
    if (end < declared - tolerance(declared)) {
      return bad('truncated', `data ends at ${end.toFixed(2)} s of ${declared.toFixed(2)} s`);
    }
    return { ok: true, probe: describe(context, video, videoEnd) };
  } finally {
    await context.closeInput();
  }
}

const bad = (problem: VideoProblem, detail: string): BadVerdict => ({ ok: false, problem, detail });

interface Extent {
  /** Seconds from the first packet to the end of the last one: of the longest stream, and of the video stream. */
  readonly end: number;
  readonly videoEnd: number;
  readonly damage: string | undefined;
}

async function readAllPackets(context: FormatContext, video: Stream): Promise<Extent> {
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
    videoEnd: secondsOf(spans.get(video.index)),
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

/** QuickTime and MP4 share a demuxer. The brand distinguishes them; a file without one is older than MP4 (ISO/IEC 14496-12, 4.3). */
function containerOf(context: FormatContext): string {
  const names = context.iformat?.name ?? '';
  const container = CONTAINERS.find((name) => names.includes(name)) ?? names;
  if (container !== 'mp4') return container;
  const brand = context.metadata?.get('major_brand')?.trim() ?? 'qt';
  return brand === 'qt' ? 'mov' : 'mp4';
}

function describe(context: FormatContext, video: Stream, duration: number): Probe {
  const audio = context.streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO);
  const rate = video.avgFrameRate;
  return {
    container: containerOf(context),
    duration,
    width: video.codecpar.width,
    height: video.codecpar.height,
    videoCodec: codecOf(video),
    ...(audio ? { audioCodec: codecOf(audio) } : {}),
    fps: rate.den === 0 ? 0 : rate.num / rate.den,
  };
}
