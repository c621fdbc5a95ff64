import { writeFile } from 'node:fs/promises';
import { decodeFramesAt } from './decodeFrame.ts';
import { encodeJpeg, type Picture, toPicture } from './picture.ts';

export interface SpriteSheetInput {
  readonly videoPath: string;
  readonly outPath: string;
}

const COLUMNS = 5;
const FRAMES = 20;
const MAX_WIDTH = 320;

/** Runs in a native child: see `createSpriteSheets`. */
export async function run({ videoPath, outPath }: SpriteSheetInput): Promise<void> {
  // The middles of equal parts of the video.
  const places = Array.from({ length: FRAMES }, (_, index) => (index + 0.5) / FRAMES);
  const pictures: Picture[] = [];
  const decoded = await decodeFramesAt(videoPath, places, async (frame) => {
    pictures.push(await toPicture(frame, MAX_WIDTH));
  });
  if (!decoded) throw new Error('no frame of the video can be decoded');
  await writeFile(outPath, await encodeJpeg(pictures, COLUMNS));
}
