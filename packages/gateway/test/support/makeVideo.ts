import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_ERROR,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLTP,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBX264,
} from 'node-av/constants';
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
  type Stream,
} from 'node-av/lib';

Log.setLevel(AV_LOG_ERROR);

export type Muxer = 'mp4' | 'webm' | 'mpegts' | 'avi';

export interface VideoOptions {
  readonly muxer?: Muxer;
  /** Of the video; 0 leaves the video out. */
  readonly seconds?: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Seconds of a sound track. */
  readonly audioSeconds?: number;
  /** MP4: index at the front. */
  readonly faststart?: boolean;
  /** Brightness (16-235) at a time in seconds. */
  readonly luma?: (second: number) => number;
}

const SAMPLE_RATE = 44_100;

/** Encodes a small grey video into a file. */
export async function makeVideo(path: string, options: VideoOptions = {}): Promise<void> {
  const { muxer = 'mp4', seconds = 1, width = 64, height = 48, fps = 24, audioSeconds = 0 } = options;
  const { faststart = true, luma = (second) => 60 + second * 20 } = options;
  const output = new FormatContext();
  check(output.allocOutputContext2(null, muxer, path));
  const video = seconds > 0 ? await openTrack(output, videoEncoder(muxer, width, height, fps)) : undefined;
  const audio = audioSeconds > 0 ? await openTrack(output, audioEncoder()) : undefined;
  check(await output.openOutput());
  const flags = muxer === 'mp4' && faststart ? Dictionary.fromObject({ movflags: '+faststart' }) : null;
  check(await output.writeHeader(flags));

  for (let index = 0; video && index < seconds * fps; index++) {
    using frame = new Frame();
    frame.alloc();
    frame.format = AV_PIX_FMT_YUV420P;
    frame.width = width;
    frame.height = height;
    check(frame.getBuffer());
    const grey = Buffer.alloc((width * height * 3) / 2, 128).fill(
      Math.round(luma(index / fps)),
      0,
      width * height,
    );
    check(frame.fromBuffer(grey));
    frame.pts = BigInt(index);
    await encode(output, video, frame);
  }
  if (video) await encode(output, video, null);

  for (let start = 0; audio && start < audioSeconds * SAMPLE_RATE; start += audio.encoder.frameSize) {
    using frame = new Frame();
    frame.alloc();
    frame.format = AV_SAMPLE_FMT_FLTP;
    frame.nbSamples = Math.min(audio.encoder.frameSize, audioSeconds * SAMPLE_RATE - start);
    frame.sampleRate = SAMPLE_RATE;
    frame.channelLayout = AV_CHANNEL_LAYOUT_MONO;
    check(frame.getBuffer());
    check(frame.fromBuffer(Buffer.alloc(frame.nbSamples * 4)));
    frame.pts = BigInt(start);
    await encode(output, audio, frame);
  }
  if (audio) await encode(output, audio, null);

  check(await output.writeTrailer());
  await output.closeOutput();
  for (const track of [video, audio]) track?.encoder.freeContext();
  output.freeContext();
}

interface Track {
  readonly encoder: CodecContext;
  readonly stream: Stream;
}

function videoEncoder(muxer: Muxer, width: number, height: number, fps: number): CodecContext {
  const encoder = new CodecContext();
  const name = muxer === 'webm' ? FF_ENCODER_LIBVPX_VP8 : FF_ENCODER_LIBX264;
  encoder.allocContext3(Codec.findEncoderByName(name));
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = AV_PIX_FMT_YUV420P;
  encoder.timeBase = new Rational(1, fps);
  encoder.framerate = new Rational(fps, 1);
  encoder.gopSize = fps;
  if (muxer !== 'mpegts') encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  return encoder;
}

function audioEncoder(): CodecContext {
  const encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(FF_ENCODER_AAC));
  encoder.sampleRate = SAMPLE_RATE;
  encoder.sampleFormat = AV_SAMPLE_FMT_FLTP;
  encoder.channelLayout = AV_CHANNEL_LAYOUT_MONO;
  encoder.timeBase = new Rational(1, SAMPLE_RATE);
  encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  return encoder;
}

async function openTrack(output: FormatContext, encoder: CodecContext): Promise<Track> {
  check(await encoder.open2(null, null));
  const stream = output.newStream();
  stream.timeBase = encoder.timeBase;
  check(stream.codecpar.fromContext(encoder));
  if (encoder.framerate.num > 0) stream.avgFrameRate = encoder.framerate;
  return { encoder, stream };
}

async function encode(output: FormatContext, { encoder, stream }: Track, frame: Frame | null): Promise<void> {
  check(await encoder.sendFrame(frame));
  using packet = new Packet();
  packet.alloc();
  while ((await encoder.receivePacket(packet)) >= 0) {
    packet.rescaleTs(encoder.timeBase, stream.timeBase);
    packet.streamIndex = stream.index;
    check(await output.interleavedWriteFrame(packet));
  }
}

function check(code: number): void {
  FFmpegError.throwIfError(code, 'Could not make a test video');
}
