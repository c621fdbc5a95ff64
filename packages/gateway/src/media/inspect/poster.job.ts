import { writeFile } from 'node:fs/promises';
import { decodeFrameAt } from './decodeFrame.ts';
import { encodeJpeg, type Picture, toPicture } from './picture.ts';

export interface PosterInput {
  readonly videoPath: string;
  readonly outPath: string;
}

const MAX_WIDTH = 1280;

/** Positions to try, as fractions of the duration, in order of preference. */
const PLACES = [1 / 3, 1 / 2, 1 / 6, 2 / 3];

/** A frame with a lower mean luma (0-255) counts as black. */
const DARK = 20;

/** Runs in a native child: see `makePoster`. */
export async function run({ videoPath, outPath }: PosterInput): Promise<void> {
  let best: (Picture & { readonly luma: number }) | undefined;
  for (const place of PLACES) {
    using frame = await decodeFrameAt(videoPath, place);
    if (!frame) continue;
    const picture = await toPicture(frame, MAX_WIDTH);
    const luma = meanLuma(picture.rgba);
    if (!best || luma > best.luma) best = { ...picture, luma };
    if (best.luma >= DARK) break;
  }
  if (!best) throw new Error('no frame of the video can be decoded');
  await writeFile(outPath, await encodeJpeg([best]));
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
