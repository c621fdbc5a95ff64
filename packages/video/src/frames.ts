import {
  AV_PIX_FMT_RGBA,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_BT709,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_TRC_BT709,
} from 'node-av/constants';
import { Frame, SoftwareScaleContext } from 'node-av/lib';
import { check } from './check.ts';
import { channelLayoutOf, sampleFormatOf } from './encoder.ts';
import type { PictureTrack, SoundTrack } from './format.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Makes a function that turns the pixels of a track into frames for its encoder. The caller frees the frames. */
export function pictureFrames(track: PictureTrack): (pixels: Buffer) => Promise<Frame> {
  if (track.pixels === 'rgba') return rgbaConverter(track);
  return async (pixels) => {
    const frame = yuvFrame(track);
    check(frame.fromBuffer(pixels), 'fill a frame');
    return frame;
  };
}

function rgbaConverter({ width, height }: Size): (rgba: Buffer) => Promise<Frame> {
  const from = new Frame();
  from.alloc();
  from.format = AV_PIX_FMT_RGBA;
  from.colorSpace = AVCOL_SPC_RGB;
  from.colorRange = AVCOL_RANGE_JPEG;
  from.width = width;
  from.height = height;
  check(from.getBuffer(), 'allocate a frame');
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  return async (rgba) => {
    check(from.fromBuffer(rgba), 'fill a frame');
    const to = yuvFrame({ width, height });
    check(await scaler.scaleFrame(to, from), 'convert a frame');
    return to;
  };
}

/** Makes a new frame each time, because encoders keep frames for their look-ahead. */
function yuvFrame({ width, height }: Size): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = AV_PIX_FMT_YUV420P;
  frame.width = width;
  frame.height = height;
  frame.colorSpace = AVCOL_SPC_BT709;
  frame.colorRange = AVCOL_RANGE_MPEG;
  frame.colorPrimaries = AVCOL_PRI_BT709;
  frame.colorTrc = AVCOL_TRC_BT709;
  check(frame.getBuffer(), 'allocate a frame');
  return frame;
}

/** `length` samples of each channel from `start` on. The caller frees the frame. */
export function soundFrame(track: SoundTrack, start: number, length: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = sampleFormatOf(track);
  frame.nbSamples = length;
  frame.sampleRate = track.sampleRate;
  frame.channelLayout = channelLayoutOf(track);
  check(frame.getBuffer(), 'allocate samples');
  const channels = track.channels.map((samples) => samples.subarray(start, start + length));
  check(frame.fromBuffer(track.codec === 'opus' ? interleaved(channels) : planar(channels)), 'fill samples');
  frame.pts = BigInt(start);
  return frame;
}

const planar = (channels: readonly Float32Array[]): Buffer =>
  Buffer.concat(
    channels.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );

function interleaved(channels: readonly Float32Array[]): Buffer {
  const samples = new Float32Array(channels.length * (channels[0]?.length ?? 0));
  for (const [side, channel] of channels.entries()) {
    for (const [index, sample] of channel.entries()) samples[index * channels.length + side] = sample;
  }
  return Buffer.from(samples.buffer);
}
