import {
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_PIX_FMT_YUV420P,
  AVCOL_SPC_UNSPECIFIED,
  type AVColorSpace,
  AVFMT_GLOBALHEADER,
  AVMEDIA_TYPE_AUDIO,
} from 'node-av/constants';
import {
  avGetBytesPerSample,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Packet,
  Rational,
} from 'node-av/lib';

export interface EncodedOptions {
  /** The name of a muxer of FFmpeg. */
  readonly container: string;
  /** The names of encoders of FFmpeg, one a track. */
  readonly encoders: readonly string[];
  readonly width?: number;
  readonly height?: number;
  /** The colours of the picture, in studio range, each for the same time. */
  readonly yuv?: readonly (readonly [y: number, u: number, v: number])[];
  /** Frames from one key frame to the next; a second of them by default. */
  readonly keyFrameInterval?: number;
  /** The matrix that the file declares; none by default. */
  readonly colorSpace?: AVColorSpace;
}

/** Options of encoders that would tell of their work. */
const QUIET: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  libx265: { 'x265-params': 'log-level=none' },
};

const FPS = 24;
const SAMPLE_RATE = 48_000;
const CHANNELS = 2;

/** Writes a second of one colour and of silence with any codecs. `makeVideo` is faster and knows those of the built-in renderer. */
export async function encodeVideo(path: string, options: EncodedOptions): Promise<void> {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, options.container, path));
  const globalHeader = ((output.oformat?.flags ?? 0) & AVFMT_GLOBALHEADER) !== 0;
  const tracks = [];
  for (const name of options.encoders) tracks.push(await openTrack(output, name, globalHeader, options));
  check(await output.openOutput());
  check(await output.writeHeader(null));
  using packet = new Packet();
  packet.alloc();
  for (const { encoder, stream, frames } of tracks) {
    for (const frame of [...frames(), null]) {
      check(await encoder.sendFrame(frame));
      frame?.free();
      while ((await encoder.receivePacket(packet)) >= 0) {
        packet.rescaleTs(encoder.timeBase, stream.timeBase);
        packet.streamIndex = stream.index;
        check(await output.interleavedWriteFrame(packet));
      }
    }
    encoder.freeContext();
  }
  check(await output.writeTrailer());
  await output.closeOutput();
  output.freeContext();
}

async function openTrack(
  output: FormatContext,
  name: string,
  globalHeader: boolean,
  options: EncodedOptions,
) {
  const codec = Codec.findEncoderByName(name as never);
  if (!codec) throw new Error(`FFmpeg has no encoder ${name}`);
  const encoder = new CodecContext();
  encoder.allocContext3(codec);
  if (globalHeader) encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  const frames =
    codec.type === AVMEDIA_TYPE_AUDIO ? openSound(encoder, codec) : openPicture(encoder, options);
  check(await encoder.open2(codec, Dictionary.fromObject(QUIET[name] ?? {})));
  const stream = output.newStream();
  stream.timeBase = encoder.timeBase;
  check(stream.codecpar.fromContext(encoder));
  if (encoder.framerate.num > 0) stream.avgFrameRate = encoder.framerate;
  return { encoder, stream, frames };
}

function openPicture(encoder: CodecContext, options: EncodedOptions): () => Iterable<Frame> {
  const { width = 320, height = 240, yuv = [[126, 128, 128]], colorSpace = AVCOL_SPC_UNSPECIFIED } = options;
  const { keyFrameInterval: gopSize = FPS } = options;
  Object.assign(encoder, { width, height, colorSpace, pixelFormat: AV_PIX_FMT_YUV420P, gopSize });
  encoder.timeBase = new Rational(1, FPS);
  encoder.framerate = new Rational(FPS, 1);
  const quarter = (width * height) / 4;
  const pixels = yuv.map(([y, u, v]) =>
    Buffer.concat([Buffer.alloc(4 * quarter, y), Buffer.alloc(quarter, u), Buffer.alloc(quarter, v)]),
  );
  return function* () {
    for (let index = 0; index < FPS; index++) {
      const frame = newFrame({ width, height, colorSpace, format: AV_PIX_FMT_YUV420P, pts: BigInt(index) });
      check(frame.fromBuffer(pixels[Math.floor((index * pixels.length) / FPS)] ?? Buffer.alloc(0)));
      yield frame;
    }
  };
}

function openSound(encoder: CodecContext, codec: Codec): () => Iterable<Frame> {
  const format = codec.sampleFormats?.[0];
  if (format === undefined) throw new Error(`${codec.name} names no sample format`);
  const facts = { sampleRate: SAMPLE_RATE, channelLayout: AV_CHANNEL_LAYOUT_STEREO };
  Object.assign(encoder, { ...facts, sampleFormat: format, timeBase: new Rational(1, SAMPLE_RATE) });
  return function* () {
    const nbSamples = encoder.frameSize || 1024;
    for (let from = 0; from < SAMPLE_RATE; from += nbSamples) {
      const frame = newFrame({ ...facts, format, nbSamples, pts: BigInt(from) });
      check(frame.fromBuffer(Buffer.alloc(nbSamples * CHANNELS * avGetBytesPerSample(format))));
      yield frame;
    }
  };
}

function newFrame(facts: Partial<Frame>): Frame {
  const frame = new Frame();
  frame.alloc();
  Object.assign(frame, facts);
  check(frame.getBuffer());
  return frame;
}

const check = (code: number): void => FFmpegError.throwIfError(code, 'Could not make a video');
