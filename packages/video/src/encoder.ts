import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_PIX_FMT_YUV420P,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AVCHROMA_LOC_LEFT,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_TRC_BT709,
  FF_ENCODER_AAC,
  FF_ENCODER_LIBOPUS,
  FF_ENCODER_LIBVPX_VP8,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
} from 'node-av/constants';
import { Codec, CodecContext, Dictionary, type Frame, Packet, Rational } from 'node-av/lib';
import { check } from './check.ts';
import type { PictureTrack, SoundTrack } from './format.ts';

const ENCODERS = {
  h264: FF_ENCODER_LIBX264,
  vp8: FF_ENCODER_LIBVPX_VP8,
  vp9: FF_ENCODER_LIBVPX_VP9,
  aac: FF_ENCODER_AAC,
  opus: FF_ENCODER_LIBOPUS,
} as const;

/** Opens an encoder for 4:2:0 in BT.709, studio range. `globalHeader` stores the codec's set-up in the file header instead of the packets. */
export async function openPictureEncoder(track: PictureTrack, globalHeader: boolean): Promise<CodecContext> {
  const encoder = allocate(track.codec, globalHeader);
  encoder.width = track.width;
  encoder.height = track.height;
  encoder.pixelFormat = AV_PIX_FMT_YUV420P;
  encoder.timeBase = new Rational(1, track.fps);
  encoder.framerate = new Rational(track.fps, 1);
  encoder.gopSize = track.keyFrameInterval;
  if (track.threads !== undefined) encoder.threadCount = track.threads;
  encoder.colorRange = AVCOL_RANGE_MPEG;
  encoder.colorSpace = AVCOL_SPC_BT709;
  encoder.colorPrimaries = AVCOL_PRI_BT709;
  encoder.colorTrc = AVCOL_TRC_BT709;
  encoder.chromaLocation = AVCHROMA_LOC_LEFT;
  const options = track.options ? Dictionary.fromObject({ ...track.options }) : null;
  check(await encoder.open2(null, options), 'open the picture encoder');
  return encoder;
}

export async function openSoundEncoder(track: SoundTrack, globalHeader: boolean): Promise<CodecContext> {
  const encoder = allocate(track.codec, globalHeader);
  encoder.sampleRate = track.sampleRate;
  encoder.sampleFormat = sampleFormatOf(track);
  encoder.channelLayout = channelLayoutOf(track);
  if (track.bitsPerSecond !== undefined) encoder.bitRate = BigInt(track.bitsPerSecond);
  encoder.timeBase = new Rational(1, track.sampleRate);
  check(await encoder.open2(null, null), 'open the sound encoder');
  return encoder;
}

/** Opus takes interleaved samples, AAC one channel after the other. */
export const sampleFormatOf = ({ codec }: SoundTrack) =>
  codec === 'opus' ? AV_SAMPLE_FMT_FLT : AV_SAMPLE_FMT_FLTP;

export const channelLayoutOf = ({ channels }: SoundTrack) =>
  channels.length === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;

function allocate(codec: keyof typeof ENCODERS, globalHeader: boolean): CodecContext {
  const encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(ENCODERS[codec]));
  encoder.setFlags(AV_CODEC_FLAG_BITEXACT);
  if (globalHeader) encoder.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  return encoder;
}

/** Sends a frame, or null for the end, to the encoder, and passes each packet that is ready to `use`, which must not keep it. */
export async function encode(
  encoder: CodecContext,
  frame: Frame | null,
  use: (packet: Packet) => void | Promise<void>,
): Promise<void> {
  check(await encoder.sendFrame(frame), 'encode a frame');
  using packet = new Packet();
  packet.alloc();
  // A negative code means that the encoder needs more frames or is drained.
  while ((await encoder.receivePacket(packet)) >= 0) {
    await use(packet);
    packet.unref();
  }
}
