import { constants } from 'node:os';
import {
  AV_NOPTS_VALUE,
  AVERROR_EOF,
  AVERROR_INVALIDDATA,
  AVERROR_PATCHWELCOME,
  AVFMT_FLAG_BITEXACT,
  AVMEDIA_TYPE_AUDIO,
} from 'node-av/constants';
import { Dictionary, FFmpegError, FormatContext, Packet, type Stream } from 'node-av/lib';
import { codecOf, openVideo, videoStreamOf } from './openVideo.ts';
import type { BadVerdict } from './probe.job.ts';

export interface RemuxInput {
  readonly path: string;
  readonly outPath: string;
}

/** Whether the MP4 was written; otherwise, why these bytes cannot become one. */
export type RemuxVerdict = { readonly ok: true } | BadVerdict;

/** The codecs that players support in an MP4. FFmpeg can write more, but few players can show them. */
const VIDEO: readonly string[] = ['h264', 'hevc', 'av1', 'vp9', 'mpeg4'];
const AUDIO: readonly string[] = ['aac', 'mp3', 'opus', 'ac3', 'eac3', 'flac', 'alac'];

/** Puts the index before the data and lets timestamps start at zero: those of a transport stream start anywhere. */
const OPTIONS = { movflags: '+faststart', avoid_negative_ts: 'make_zero' };

/** Errors about the data being written. Any other error, mostly of the disk, says nothing about the video. */
const VERDICTS: ReadonlySet<number> = new Set([
  -constants.errno.EINVAL,
  AVERROR_INVALIDDATA,
  AVERROR_PATCHWELCOME,
]);

/** FFmpeg refused to write these bytes. */
class Refused extends Error {}

/** Runs in a native child: see `remuxVideo`. */
export async function run({ path, outPath }: RemuxInput): Promise<RemuxVerdict> {
  const input = await openVideo(path);
  if (!input) return unusable('no known video container');
  try {
    const video = videoStreamOf(input);
    if (!video) return unusable('the container has no video stream');
    const kept = keptOf(input, video);
    const wrong = kept.find(({ allowed, codec }) => !allowed.includes(codec));
    if (wrong) return unusable(`${wrong.codec} is not a codec that players support in an MP4`);
    await write(
      input,
      kept.map(({ stream }) => stream),
      outPath,
    );
    return { ok: true };
  } catch (error) {
    if (error instanceof Refused) return unusable(error.message);
    throw error;
  } finally {
    await input.closeInput();
  }
}

const unusable = (detail: string): BadVerdict => ({ ok: false, problem: 'not_mp4', detail });

/** The video stream and all audio streams. Timecodes, chapters and other data are left out. */
function keptOf(input: FormatContext, video: Stream) {
  const sounds = input.streams.filter(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO);
  return [
    { stream: video, allowed: VIDEO, codec: codecOf(video) },
    ...sounds.map((stream) => ({ stream, allowed: AUDIO, codec: codecOf(stream) })),
  ];
}

/** Writes neither times nor library versions, so that the same packets always give the same bytes. */
async function write(input: FormatContext, kept: readonly Stream[], outPath: string): Promise<void> {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, 'mp4', outPath), 'open the MP4 muxer');
  output.setFlags(AVFMT_FLAG_BITEXACT);
  try {
    const targets = new Map(kept.map((stream) => [stream.index, addStream(output, stream)]));
    check(await output.openOutput(), 'open the file');
    check(await output.writeHeader(Dictionary.fromObject(OPTIONS)), 'write the header');
    await copyPackets(input, output, targets);
    check(await output.writeTrailer(), 'finish the file');
  } finally {
    await output.closeOutput();
    output.freeContext();
  }
}

function addStream(output: FormatContext, source: Stream): Stream {
  const target = output.newStream();
  check(source.codecpar.copy(target.codecpar), 'describe a stream');
  // The tag belongs to the old container. Apple's players accept only one of the two tags of HEVC.
  target.codecpar.codecTag = codecOf(source) === 'hevc' ? 'hvc1' : 0;
  target.timeBase = source.timeBase;
  return target;
}

async function copyPackets(
  input: FormatContext,
  output: FormatContext,
  targets: ReadonlyMap<number, Stream>,
): Promise<void> {
  using packet = new Packet();
  packet.alloc();
  for (;;) {
    const code = await input.readFrame(packet);
    if (code === AVERROR_EOF) return;
    check(code, 'read a packet');
    const source = input.streams[packet.streamIndex];
    const target = targets.get(packet.streamIndex);
    if (!source || !target) {
      packet.unref();
      continue;
    }
    if (packet.pts === AV_NOPTS_VALUE) packet.pts = packet.dts;
    packet.rescaleTs(source.timeBase, target.timeBase);
    packet.streamIndex = target.index;
    // The byte position in the old file does not apply to the new one.
    packet.pos = -1n;
    check(await output.interleavedWriteFrame(packet), 'write a packet');
  }
}

/** Throws for an FFmpeg error: `Refused` if it is about the bytes, otherwise an error of the machine. */
function check(code: number, what: string): void {
  if (VERDICTS.has(code)) throw new Refused(`FFmpeg could not ${what} (error ${code})`);
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
