import { writeFile } from 'node:fs/promises';
import { createCanvas } from '@napi-rs/canvas';
import {
  AV_PIX_FMT_RGBA,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_SPC_UNSPECIFIED,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';
import { decodeFrameAt } from './decodeFrame.ts';

export interface PosterInput {
  readonly videoPath: string;
  readonly outPath: string;
}

const MAX_WIDTH = 1280;
const QUALITY = 82;

/** Positions to try, as fractions of the duration, in order of preference. */
const PLACES = [1 / 3, 1 / 2, 1 / 6, 2 / 3];

/** A frame with a lower mean luma (0-255) counts as black. */
const DARK = 20;

interface Picture {
  readonly rgba: Buffer;
  readonly width: number;
  readonly height: number;
  readonly luma: number;
}

/** Runs in a native child: see `makePoster`. */
export async function run({ videoPath, outPath }: PosterInput): Promise<void> {
  let best: Picture | undefined;
  for (const place of PLACES) {
    using frame = await decodeFrameAt(videoPath, place);
    if (!frame) continue;
    const picture = await toPicture(frame);
    if (!best || picture.luma > best.luma) best = picture;
    if (best.luma >= DARK) break;
  }
  if (!best) throw new Error('no frame of the video can be decoded');
  await writeFile(outPath, await encodeJpeg(best));
}

async function toPicture(frame: Frame): Promise<Picture> {
  const shrink = Math.min(1, MAX_WIDTH / frame.width);
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
  FFmpegError.throwIfError(await scaler.scaleFrame(rgb, frame), 'Could not scale the poster');
  const rgba = rgb.toBuffer();
  return { rgba, width, height, luma: meanLuma(rgba) };
}

/** Mean Rec. 709 luma of every 16th pixel, which is enough to detect a black frame. */
function meanLuma(rgba: Buffer): number {
  let sum = 0;
  let count = 0;
  for (let at = 0; at < rgba.length; at += 64) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(at);
    sum += 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    count++;
  }
  return sum / count;
}

function encodeJpeg({ rgba, width, height }: Picture): Promise<Buffer> {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  image.data.set(rgba.subarray(0, image.data.length));
  context.putImageData(image, 0, 0);
  return canvas.encode('jpeg', QUALITY);
}
