import { encodeStill, type StillFormat } from '@onetake/video';
import type { MakeRequest } from './maker.ts';
import { FPS, pictureAt } from './picture.ts';

/** The grid of a spritesheet, and the width of one frame in it. */
const COLUMNS = 4;
const ROWS = 2;
const SPRITE_WIDTH = 320;

/** The last frame of the loop. It has studio range, but a still encoder assumes full range, so it is a little paler. */
export const encodeLastFrame = (request: MakeRequest & { readonly kind: StillFormat }): Promise<Buffer> =>
  encodeStill(request.kind, request.width, request.height, pictureAt(request, FPS - 1));

/** Frames of the first second in a grid, as JPEG. */
export function encodeSprites(request: MakeRequest): Promise<Buffer> {
  const width = SPRITE_WIDTH;
  const height = 2 * Math.round((SPRITE_WIDTH * request.height) / request.width / 2);
  const frames = Array.from({ length: COLUMNS * ROWS }, (_, index) =>
    pictureAt({ width, height, hue: request.hue }, Math.floor((index * FPS) / (COLUMNS * ROWS))),
  );
  return encodeStill('jpeg', COLUMNS * width, ROWS * height, tile(frames, width, height));
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
