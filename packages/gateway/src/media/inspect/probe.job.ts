import { AVMEDIA_TYPE_AUDIO } from 'node-av/constants';
import type { FormatContext, Stream } from 'node-av/lib';
import type { Probe } from '../media.ts';
import { codecOf, openVideo, videoStreamOf } from './openVideo.ts';
import { extentOf, missingData } from './packets.ts';

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

/** Runs in a native child: see `probeVideo`. */
export async function run({ path }: { path: string }): Promise<ProbeVerdict> {
  const context = await openVideo(path);
  if (!context) return bad('not_video', 'no known video container');
  try {
    const video = videoStreamOf(context);
    if (!video || video.codecpar.width === 0)
      return bad('no_video_stream', 'the container has no video stream');
    const extent = await extentOf(context, video);
    const missing = missingData(context, extent);
    if (missing) return bad('truncated', missing);
    return { ok: true, probe: describe(context, video, extent.streamEnd) };
  } finally {
    await context.closeInput();
  }
}

const bad = (problem: VideoProblem, detail: string): BadVerdict => ({ ok: false, problem, detail });

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
