import {
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_ERROR,
  AV_PIX_FMT_RGBA,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLTP,
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_TRC_BT709,
  AVFMT_FLAG_BITEXACT,
  FF_ENCODER_AAC,
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
  SoftwareScaleContext,
  type Stream,
} from 'node-av/lib';

// What FFmpeg says goes to the child's stderr, which explains a crash: errors alone are worth it.
Log.setLevel(AV_LOG_ERROR);

/** Frames per second. */
export const FPS = 24;
/** Hertz. */
export const SAMPLE_RATE = 48_000;

/** x264 gives the same bytes for the same number of threads; it is fixed so that machines agree as well. */
const X264_THREADS = 2;
/** A key frame every two seconds: quick to seek in, cheap to keep. */
const KEY_FRAME_INTERVAL = 2 * FPS;
/**
 * Without macroblock trees: at widths such as 854, x264's vector code for them gives other bytes from time to time (seen with
 * the x264 of FFmpeg 8; without vector code, or without the trees, never).
 */
const X264 = { preset: 'veryfast', crf: '23', 'x264-params': 'sliced-threads=0:mbtree=0' };
const AAC_BITS_PER_SECOND = 128_000n;

/** A sound track: the samples of each channel, -1 to 1. */
export type Samples = readonly [Float32Array, Float32Array];

/** An MP4 being written. Calls must not overlap. */
export interface Mp4Writer {
  /** Adds the next frame: RGBA without transparency, four bytes a pixel, read until the promise resolves. */
  video(rgba: Buffer): Promise<void>;
  /** Flushes the encoders and moves the index to the front of the file. */
  finish(): Promise<void>;
}

/**
 * Opens an MP4 for writing: H.264 High, 4:2:0, BT.709, and AAC where there is sound. The same frames give the same
 * bytes: no times, no versions of libraries are written.
 */
export async function createMp4(
  path: string,
  size: { readonly width: number; readonly height: number },
  sound: Samples | undefined,
): Promise<Mp4Writer> {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, 'mp4', path), 'open the MP4 muxer');
  output.setFlags(AVFMT_FLAG_BITEXACT);
  const video = await openTrack(output, videoEncoder(size), Dictionary.fromObject(X264));
  const audio = sound ? await openTrack(output, audioEncoder(), null) : undefined;
  check(await output.openOutput(), 'open the file');
  check(await output.writeHeader(Dictionary.fromObject({ movflags: '+faststart' })), 'write the header');
  const convert = createConverter(size.width, size.height);
  let frames = 0;
  let samples = 0;

  /** Encodes sound up to a time in seconds: in step with the pictures, both stay close together in the file. */
  async function soundUntil(time: number): Promise<void> {
    if (!sound || !audio) return;
    const { frameSize } = audio.encoder;
    const [{ length }] = sound;
    while (samples < Math.min(length, time * SAMPLE_RATE)) {
      using frame = audioFrame(sound, samples, Math.min(frameSize, length - samples));
      samples += frame.nbSamples;
      await encode(output, audio, frame);
    }
  }

  return {
    async video(rgba) {
      using frame = await convert(rgba);
      frame.pts = BigInt(frames++);
      await encode(output, video, frame);
      await soundUntil(frames / FPS);
    },

    async finish() {
      await soundUntil(Number.POSITIVE_INFINITY);
      await encode(output, video, null);
      if (audio) await encode(output, audio, null);
      check(await output.writeTrailer(), 'finish the file');
      await output.closeOutput();
      for (const track of [video, audio]) track?.encoder.freeContext();
      output.freeContext();
    },
  };
}

interface Track {
  readonly encoder: CodecContext;
  readonly stream: Stream;
}

function videoEncoder({ width, height }: { width: number; height: number }): CodecContext {
  const encoder = allocate(FF_ENCODER_LIBX264);
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = AV_PIX_FMT_YUV420P;
  encoder.timeBase = new Rational(1, FPS);
  encoder.framerate = new Rational(FPS, 1);
  encoder.gopSize = KEY_FRAME_INTERVAL;
  encoder.threadCount = X264_THREADS;
  encoder.colorRange = AVCOL_RANGE_MPEG;
  encoder.colorSpace = AVCOL_SPC_BT709;
  encoder.colorPrimaries = AVCOL_PRI_BT709;
  encoder.colorTrc = AVCOL_TRC_BT709;
  encoder.chromaLocation = AVCHROMA_LOC_LEFT;
  return encoder;
}

function audioEncoder(): CodecContext {
  const encoder = allocate(FF_ENCODER_AAC);
  encoder.sampleRate = SAMPLE_RATE;
  encoder.sampleFormat = AV_SAMPLE_FMT_FLTP;
  encoder.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
  encoder.bitRate = AAC_BITS_PER_SECOND;
  encoder.timeBase = new Rational(1, SAMPLE_RATE);
  return encoder;
}

function allocate(name: typeof FF_ENCODER_LIBX264 | typeof FF_ENCODER_AAC): CodecContext {
  const encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(name));
  encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER, AV_CODEC_FLAG_BITEXACT);
  return encoder;
}

async function openTrack(
  output: FormatContext,
  encoder: CodecContext,
  options: Dictionary | null,
): Promise<Track> {
  check(await encoder.open2(null, options), 'open an encoder');
  const stream = output.newStream();
  stream.timeBase = encoder.timeBase;
  check(stream.codecpar.fromContext(encoder), 'describe a stream');
  if (encoder.framerate.num > 0) stream.avgFrameRate = encoder.framerate;
  return { encoder, stream };
}

async function encode(output: FormatContext, { encoder, stream }: Track, frame: Frame | null): Promise<void> {
  check(await encoder.sendFrame(frame), 'encode a frame');
  using packet = new Packet();
  packet.alloc();
  // A negative answer means that the encoder wants more frames, or is drained.
  while ((await encoder.receivePacket(packet)) >= 0) {
    packet.rescaleTs(encoder.timeBase, stream.timeBase);
    packet.streamIndex = stream.index;
    check(await output.interleavedWriteFrame(packet), 'write a packet');
  }
}

/** RGB to 4:2:0 in BT.709, studio range. */
function createConverter(width: number, height: number): (rgba: Buffer) => Promise<Frame> {
  const from = new Frame();
  from.alloc();
  from.format = AV_PIX_FMT_RGBA;
  from.colorSpace = AVCOL_SPC_RGB;
  from.colorRange = AVCOL_RANGE_JPEG;
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  from.width = width;
  from.height = height;
  check(from.getBuffer(), 'allocate a frame');
  return async (rgba) => {
    check(from.fromBuffer(rgba), 'fill a frame');
    // The encoder keeps frames for its look-ahead: each is a frame of its own.
    const to = new Frame();
    to.alloc();
    to.format = AV_PIX_FMT_YUV420P;
    to.width = width;
    to.height = height;
    to.colorSpace = AVCOL_SPC_BT709;
    to.colorRange = AVCOL_RANGE_MPEG;
    to.colorPrimaries = AVCOL_PRI_BT709;
    to.colorTrc = AVCOL_TRC_BT709;
    check(to.getBuffer(), 'allocate a frame');
    check(await scaler.scaleFrame(to, from), 'convert a frame');
    return to;
  };
}

function audioFrame(channels: Samples, start: number, length: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = AV_SAMPLE_FMT_FLTP;
  frame.nbSamples = length;
  frame.sampleRate = SAMPLE_RATE;
  frame.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
  check(frame.getBuffer(), 'allocate samples');
  const planes = channels.map((samples) =>
    Buffer.from(samples.buffer, samples.byteOffset + start * 4, length * 4),
  );
  check(frame.fromBuffer(Buffer.concat(planes)), 'fill samples');
  frame.pts = BigInt(start);
  return frame;
}

function check(code: number, what: string): void {
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
