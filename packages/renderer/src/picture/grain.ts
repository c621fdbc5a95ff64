import { createCanvas, ImageData, type SKRSContext2D } from '@napi-rs/canvas';
import { between, createRandom } from '../random.ts';

/** The variants of film grain. They alternate, each for two frames. More variants would only cost memory and bits. */
const VARIANTS = 3;
const HOLD_FRAMES = 2;
/** The opacity of the darkest and brightest grain. */
const GRAIN = 0.045;
/** Random grains. Each row starts at its own place in them, so that no pattern shows. */
const GRAINS = 8192;
/** The square of the distance from the middle, as a part of the frame, from which on corners are darkened, and how fast they become so. */
const UNDARKENED = 0.16;
const DARKENING = 0.75;

/** Darkened corners and film grain, laid over every frame. They make plain gradients look photographed. */
export function createGrain(
  width: number,
  height: number,
  seed: number,
): (context: SKRSContext2D, frame: number) => void {
  const random = createRandom(seed ^ 0x5f3759df);
  const grains = Float32Array.from({ length: GRAINS }, () => between(random, -GRAIN, GRAIN) * random());
  // Where a corner is not darkened, a pixel depends on its grain only.
  const plain = Uint32Array.from(grains, (grain) => pixelOf(grain, 0));
  const across = Float64Array.from({ length: width }, (_, x) => (x / width - 0.5) ** 2);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer, image.data.byteOffset, width * height);
  const sheets = Array.from({ length: VARIANTS }, () => {
    const canvas = createCanvas(width, height);
    const context = canvas.getContext('2d');
    for (let y = 0, i = 0; y < height; y++) {
      const up = (y / height - 0.5) ** 2 - UNDARKENED;
      const start = Math.floor(random() * GRAINS);
      for (let x = 0; x < width; x++, i++) {
        const outside = (across[x] ?? 0) + up;
        const at = (start + x) % GRAINS;
        pixels[i] = outside > 0 ? pixelOf(grains[at] ?? 0, outside * DARKENING) : (plain[at] ?? 0);
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  });
  return (context, frame) => {
    const sheet = sheets[Math.floor(frame / HOLD_FRAMES) % VARIANTS];
    if (sheet) context.drawImage(sheet, 0, 0);
  };
}

/**
 * Black darkens the picture. The grain is white where it brightens more than the corner darkens. Four bytes as one number, on a
 * little-endian machine, which is every one that has a canvas: a number for each byte takes three times as long.
 */
function pixelOf(grain: number, corner: number): number {
  const alpha = corner + Math.abs(grain);
  const level = grain > 0 ? Math.round((grain / alpha) * 255) : 0;
  return (Math.round(alpha * 255) << 24) | (level << 16) | (level << 8) | level;
}
