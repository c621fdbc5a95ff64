import {
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_JPEG,
  FF_ENCODER_LIBWEBP,
  FF_ENCODER_MJPEG,
  FF_ENCODER_PNG,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import type { MakeRequest } from './maker.ts';
import { FPS, pictureAt } from './picture.ts';

interface Format {
  readonly encoder: typeof FF_ENCODER_LIBWEBP | typeof FF_ENCODER_MJPEG | typeof FF_ENCODER_PNG;
  readonly pixels: typeof AV_PIX_FMT_YUV420P | typeof AV_PIX_FMT_RGB24;
}

const WEBP: Format = { encoder: FF_ENCODER_LIBWEBP, pixels: AV_PIX_FMT_YUV420P };
/** The JPEG encoder takes the full range alone; for the others it only shifts the test picture's brightness. */
const JPEG: Format = { encoder: FF_ENCODER_MJPEG, pixels: AV_PIX_FMT_YUV420P };
const PNG: Format = { encoder: FF_ENCODER_PNG, pixels: AV_PIX_FMT_RGB24 };

/** The grid of a spritesheet, and the width of one frame in it. */
const COLUMNS = 4;
const ROWS = 2;
const SPRITE_WIDTH = 320;

/** The last frame of the looping picture, in one of the formats that providers use. */
export const encodeWebp = (request: MakeRequest): Promise<Buffer> =>
  encodeStill(WEBP, request.width, request.height, pictureAt(request, FPS - 1));
export const encodeJpeg = (request: MakeRequest): Promise<Buffer> =>
  encodeStill(JPEG, request.width, request.height, pictureAt(request, FPS - 1));
export const encodePng = (request: MakeRequest): Promise<Buffer> =>
  encodeStill(PNG, request.width, request.height, pictureAt(request, FPS - 1));

/** Frames of the first second in a grid, as JPEG. */
export function encodeSprites(request: MakeRequest): Promise<Buffer> {
  const width = SPRITE_WIDTH;
  const height = 2 * Math.round((SPRITE_WIDTH * request.height) / request.width / 2);
  const frames = Array.from({ length: COLUMNS * ROWS }, (_, index) =>
    pictureAt({ width, height, hue: request.hue }, Math.floor((index * FPS) / (COLUMNS * ROWS))),
  );
  return encodeStill(JPEG, COLUMNS * width, ROWS * height, tile(frames, width, height));
}

/** Puts planar 4:2:0 pictures of one even size side by side. */
function tile(frames: readonly Buffer[], width: number, height: number): Buffer {
  const luma = width * height;
  const planes = [
    { at: 0, width, height },
    { at: luma, width: width / 2, height: height / 2 },
    { at: luma + luma / 4, width: width / 2, height: height / 2 },
  ];
  const rows: Buffer[] = [];
  for (const plane of planes) {
    for (let row = 0; row < ROWS; row++) {
      for (let y = 0; y < plane.height; y++) {
        for (let column = 0; column < COLUMNS; column++) {
          const from = plane.at + y * plane.width;
          rows.push(
            frames[row * COLUMNS + column]?.subarray(from, from + plane.width) ?? Buffer.alloc(plane.width),
          );
        }
      }
    }
  }
  return Buffer.concat(rows);
}

async function encodeStill(format: Format, width: number, height: number, yuv: Buffer): Promise<Buffer> {
  using encoder = new CodecContext();
  encoder.allocContext3(Codec.findEncoderByName(format.encoder));
  encoder.width = width;
  encoder.height = height;
  encoder.pixelFormat = format.pixels;
  encoder.colorRange = AVCOL_RANGE_JPEG;
  encoder.timeBase = new Rational(1, FPS);
  check(await encoder.open2(null, null), 'open a still encoder');
  using picture = allocateFrame(AV_PIX_FMT_YUV420P, width, height);
  check(picture.fromBuffer(yuv), 'fill a frame');
  using converted = format.pixels === AV_PIX_FMT_YUV420P ? undefined : await convert(picture, format.pixels);
  const frame = converted ?? picture;
  frame.pts = 0n;
  check(await encoder.sendFrame(frame), 'encode a still');
  check(await encoder.sendFrame(null), 'drain the encoder');
  using packet = new Packet();
  packet.alloc();
  check(await encoder.receivePacket(packet), 'read the still');
  return Buffer.from(packet.data ?? []);
}

function allocateFrame(pixels: Format['pixels'], width: number, height: number): Frame {
  const frame = new Frame();
  frame.alloc();
  frame.format = pixels;
  frame.width = width;
  frame.height = height;
  frame.colorRange = AVCOL_RANGE_JPEG;
  check(frame.getBuffer(), 'allocate a frame');
  return frame;
}

async function convert(from: Frame, pixels: Format['pixels']): Promise<Frame> {
  const to = allocateFrame(pixels, from.width, from.height);
  using scaler = new SoftwareScaleContext();
  scaler.allocContext();
  check(await scaler.scaleFrame(to, from), 'convert a frame');
  return to;
}

function check(code: number, what: string): void {
  FFmpegError.throwIfError(code, `Could not ${what}`);
}
