import { createCanvas } from '@napi-rs/canvas';
import {
  AV_PIX_FMT_RGBA,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_SPC_UNSPECIFIED,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';

const QUALITY = 82;

/** A frame as pixels. */
export interface Picture {
  readonly rgba: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Converts a frame, which becomes at most so wide. */
export async function toPicture(frame: Frame, maxWidth: number): Promise<Picture> {
  const shrink = Math.min(1, maxWidth / frame.width);
  const width = Math.round(frame.width * shrink);
  const height = Math.round(frame.height * shrink);
  // Players treat untagged HD video as BT.709; the default of FFmpeg is BT.601.
  if (frame.colorSpace === AVCOL_SPC_UNSPECIFIED && frame.height >= 720) frame.colorSpace = AVCOL_SPC_BT709;
  using rgb = new Frame();
  rgb.alloc();
  rgb.format = AV_PIX_FMT_RGBA;
  rgb.width = width;
  rgb.height = height;
  rgb.colorSpace = AVCOL_SPC_RGB;
  rgb.colorRange = AVCOL_RANGE_JPEG;
  using scaler = new SoftwareScaleContext();
  scaler.allocContext();
  FFmpegError.throwIfError(await scaler.scaleFrame(rgb, frame), 'Could not scale a frame');
  return { rgba: rgb.toBuffer(), width, height };
}

/** Encodes pictures of the same size as one JPEG: side by side, in so many columns. */
export function encodeJpeg(pictures: readonly Picture[], columns = 1): Promise<Buffer> {
  const [{ width, height } = { width: 1, height: 1 }] = pictures;
  const canvas = createCanvas(width * columns, height * Math.ceil(pictures.length / columns));
  const context = canvas.getContext('2d');
  for (const [index, { rgba }] of pictures.entries()) {
    const image = context.createImageData(width, height);
    image.data.set(rgba.subarray(0, image.data.length));
    context.putImageData(image, (index % columns) * width, Math.floor(index / columns) * height);
  }
  return canvas.encode('jpeg', QUALITY);
}
