import {
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_JPEG,
  FF_ENCODER_LIBWEBP,
  FF_ENCODER_MJPEG,
  FF_ENCODER_PNG,
} from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import { check } from './check.ts';

export type StillFormat = 'webp' | 'jpeg' | 'png';

const FORMATS = {
  webp: { encoder: FF_ENCODER_LIBWEBP, pixels: AV_PIX_FMT_YUV420P },
  jpeg: { encoder: FF_ENCODER_MJPEG, pixels: AV_PIX_FMT_YUV420P },
  png: { encoder: FF_ENCODER_PNG, pixels: AV_PIX_FMT_RGB24 },
} as const;

type Pixels = (typeof FORMATS)[StillFormat]['pixels'];

/** Encodes one picture, given as the planes Y, U and V one after another, 4:2:0 in full range. */
export async function encodeStill(
  format: StillFormat,
  width: number,
  height: number,
  yuv: Buffer,
): Promise<Buffer> {
  const { encoder: name, pixels } = FORMATS[format];
  using encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(name));
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = pixels;
  // The JPEG encoder takes only full range.
  encoder.colorRange = AVCOL_RANGE_JPEG;
  encoder.timeBase = new Rational(1, 1);
  check(await encoder.open2(null, null), 'open the still encoder');
  using picture = allocateFrame(AV_PIX_FMT_YUV420P, width, height);
  check(picture.fromBuffer(yuv), 'fill a frame');
  using converted = pixels === AV_PIX_FMT_YUV420P ? undefined : await convert(picture, pixels);
  const frame = converted ?? picture;
  frame.pts = 0n;
  check(await encoder.sendFrame(frame), 'encode a still');
  check(await encoder.sendFrame(null), 'drain the still encoder');
  using packet = new Packet();
  packet.alloc();
  check(await encoder.receivePacket(packet), 'read the still');
  return Buffer.from(packet.data ?? []);
}

function allocateFrame(pixels: Pixels, width: number, height: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = pixels;
  frame.width = width;
  frame.height = height;
  frame.colorRange = AVCOL_RANGE_JPEG;
  check(frame.getBuffer(), 'allocate a frame');
  return frame;
}

async function convert(from: Frame, pixels: Pixels): Promise<Frame> {
  const to = allocateFrame(pixels, from.width, from.height);
  using scaler = new SoftwareScaleContext();
  scaler.allocContext();
  check(await scaler.scaleFrame(to, from), 'convert a frame');
  return to;
}
