import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { between, createRandom } from '../random.ts';

/** The variants of film grain. They alternate, each for two frames. More variants would only cost memory and bits. */
const VARIANTS = 3;
const HOLD_FRAMES = 2;
/** The opacity of the darkest and brightest grain. */
const GRAIN = 0.045;
/** Random grains. Each row starts at its own place in them, so that no pattern shows. */
const GRAINS = 8192;

/** Darkened corners and film grain, laid over every frame. They make plain gradients look photographed. */
export function createGrain(
  width: number,
  height: number,
  seed: number,
): (context: SKRSContext2D, frame: number) => void {
  const random = createRandom(seed ^ 0x5f3759df);
  const grains = Float32Array.from({ length: GRAINS }, () => between(random, -GRAIN, GRAIN) * random());
  const sheets = Array.from({ length: VARIANTS }, () => {
    const canvas = createCanvas(width, height);
    const context = canvas.getContext('2d');
    const image = context.createImageData(width, height);
    const { data } = image;
    for (let y = 0, i = 0; y < height; y++) {
      const up = (y / height - 0.5) ** 2;
      const start = Math.floor(random() * GRAINS);
      for (let x = 0; x < width; x++, i += 4) {
        const corner = Math.max(0, (x / width - 0.5) ** 2 + up - 0.16) * 0.75;
        const grain = grains[(start + x) % GRAINS] ?? 0;
        // Black darkens the picture. The grain is white where it brightens more than the corner darkens.
        const bright = Math.max(0, grain);
        const alpha = corner + Math.abs(grain);
        const level = alpha === 0 ? 0 : (bright / alpha) * 255;
        data[i] = level;
        data[i + 1] = level;
        data[i + 2] = level;
        data[i + 3] = alpha * 255;
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
