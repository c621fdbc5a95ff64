import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_ERROR,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVFMT_FLAG_BITEXACT,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBOPUS,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  type FFAudioEncoder,
  type FFVideoEncoder,
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
import type { MakeRequest } from './maker.ts';
import { FPS, pictureAt } from './picture.ts';

Log.setLevel(AV_LOG_ERROR);

const SAMPLE_RATE = 48_000;
/** Without B-frames and look-ahead a packet comes out for every frame that goes in, in order. */
const X264 = { preset: 'ultrafast', tune: 'zerolatency', crf: '30' };
const VP9 = {
  deadline: 'realtime',
  'cpu-used': '8',
  'lag-in-frames': '0',
  'auto-alt-ref': '0',
  crf: '40',
  b: '0',
};
const AAC_BITS_PER_SECOND = 64_000n;
const TONE_HZ = 440;

/**
 * A video in the container that is asked for, an index in front where it has one. One second is encoded, beginning with a key frame, and its packets are repeated: ten
 * seconds cost hardly more than one.
 */
export async function encodeVideo(request: MakeRequest): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-simulators-'));
  try {
    const path = join(folder, 'video');
    await write(path, request);
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function write(path: string, request: MakeRequest): Promise<void> {
  const output = new FormatContext();
  check(output.allocOutputContext2(null, request.kind, path), 'open the muxer');
  output.setFlags(AVFMT_FLAG_BITEXACT);
  using picture = await openPicture(request);
  using sound = request.audio ? await openSound(request) : undefined;
  const videoStream = addStream(output, picture, new Rational(FPS, 1));
  const audioStream = sound && addStream(output, sound);
  check(await output.openOutput(), 'open the file');
  check(
    await output.writeHeader(
      request.kind === 'webm' ? null : Dictionary.fromObject({ movflags: '+faststart' }),
    ),
    'write the header',
  );
  await writePicture(output, picture, videoStream, request);
  if (sound && audioStream) await writeSound(output, sound, audioStream, request.seconds);
  check(await output.writeTrailer(), 'finish the file');
  await output.closeOutput();
  output.freeContext();
}

async function openPicture({ kind, width, height }: MakeRequest): Promise<CodecContext> {
  const encoder = allocate(kind === 'webm' ? FF_ENCODER_LIBVPX_VP9 : FF_ENCODER_LIBX264);
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = AV_PIX_FMT_YUV420P;
  encoder.timeBase = new Rational(1, FPS);
  encoder.framerate = new Rational(FPS, 1);
  encoder.gopSize = FPS;
  encoder.threadCount = 1;
  encoder.colorRange = AVCOL_RANGE_MPEG;
  encoder.colorSpace = AVCOL_SPC_BT709;
  check(
    await encoder.open2(null, Dictionary.fromObject(kind === 'webm' ? VP9 : X264)),
    'open the picture encoder',
  );
  return encoder;
}

async function openSound({ kind }: MakeRequest): Promise<CodecContext> {
  const encoder = allocate(kind === 'webm' ? FF_ENCODER_LIBOPUS : FF_ENCODER_AAC);
  encoder.sampleRate = SAMPLE_RATE;
  // Opus takes the channels' samples in turns, AAC one channel after the other.
  encoder.sampleFormat = kind === 'webm' ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;
  encoder.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
  encoder.bitRate = AAC_BITS_PER_SECOND;
  encoder.timeBase = new Rational(1, SAMPLE_RATE);
  check(await encoder.open2(null, null), 'open the sound encoder');
  return encoder;
}

function allocate(name: FFVideoEncoder | FFAudioEncoder): CodecContext {
  const encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(name));
  encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER, AV_CODEC_FLAG_BITEXACT);
  return encoder;
}

function addStream(output: FormatContext, encoder: CodecContext, rate?: Rational): Stream {
  const stream = output.newStream();
  stream.timeBase = encoder.timeBase;
  check(stream.codecpar.fromContext(encoder), 'describe a stream');
  if (rate) stream.avgFrameRate = rate;
  return stream;
}

async function writePicture(
  output: FormatContext,
  encoder: CodecContext,
  stream: Stream,
  request: MakeRequest,
): Promise<void> {
  const frames = Math.max(1, Math.round(request.seconds * FPS));
  const second: Packet[] = [];
  for (let index = 0; index < Math.min(FPS, frames); index++) {
    using frame = pictureFrame(request, index);
    second.push(...(await packetsOf(encoder, frame)));
  }
  second.push(...(await packetsOf(encoder, null)));
  for (let index = 0; index < frames; index++) {
    const packet = second[index % second.length]?.clone();
    if (!packet) throw new Error('Could not copy a packet');
    packet.pts = packet.dts = BigInt(index);
    packet.duration = 1n;
    packet.rescaleTs(encoder.timeBase, stream.timeBase);
    packet.streamIndex = stream.index;
    check(await output.interleavedWriteFrame(packet), 'write a packet');
    packet.free();
  }
  for (const packet of second) packet.free();
}

function pictureFrame(request: MakeRequest, index: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = AV_PIX_FMT_YUV420P;
  frame.width = request.width;
  frame.height = request.height;
  check(frame.getBuffer(), 'allocate a frame');
  check(frame.fromBuffer(pictureAt(request, index)), 'fill a frame');
  frame.pts = BigInt(index);
  return frame;
}

async function writeSound(
  output: FormatContext,
  encoder: CodecContext,
  stream: Stream,
  seconds: number,
): Promise<void> {
  const samples = Math.round(seconds * SAMPLE_RATE);
  for (let start = 0; start <= samples; start += encoder.frameSize) {
    const length = Math.min(encoder.frameSize, samples - start);
    // After the last samples the encoder is drained.
    using frame = length > 0 ? soundFrame(encoder, start, length) : undefined;
    for (const packet of await packetsOf(encoder, frame ?? null)) {
      packet.rescaleTs(encoder.timeBase, stream.timeBase);
      packet.streamIndex = stream.index;
      check(await output.interleavedWriteFrame(packet), 'write a packet');
      packet.free();
    }
  }
}

function soundFrame(encoder: CodecContext, start: number, length: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = encoder.sampleFormat;
  frame.nbSamples = length;
  frame.sampleRate = SAMPLE_RATE;
  frame.channelLayout = AV_CHANNEL_LAYOUT_STEREO;
  check(frame.getBuffer(), 'allocate samples');
  const inTurns = encoder.sampleFormat === AV_SAMPLE_FMT_FLT;
  const samples = Buffer.alloc(2 * 4 * length);
  for (let i = 0; i < length; i++) {
    const sample = 0.1 * Math.sin((2 * Math.PI * TONE_HZ * (start + i)) / SAMPLE_RATE);
    for (const place of inTurns ? [2 * i, 2 * i + 1] : [i, length + i])
      samples.writeFloatLE(sample, 4 * place);
  }
  check(frame.fromBuffer(samples), 'fill samples');
  frame.pts = BigInt(start);
  return frame;
}

/** What the encoder gives for a frame; null drains it. */
async function packetsOf(encoder: CodecContext, frame: Frame | null): Promise<Packet[]> {
  check(await encoder.sendFrame(frame), 'encode a frame');
  const packets: Packet[] = [];
  using packet = new Packet();
  packet.alloc();
  // A negative answer means that the encoder wants more frames, or is drained.
  while ((await encoder.receivePacket(packet)) >= 0) {
    const copy = packet.clone();
    if (!copy) throw new Error('Could not copy a packet');
    packets.push(copy);
    packet.unref();
  }
  return packets;
}

function check(code: number, what: string): void {
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
