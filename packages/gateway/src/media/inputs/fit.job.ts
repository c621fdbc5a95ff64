import { readFile } from 'node:fs/promises';
import { type Canvas, createCanvas, Image } from '@napi-rs/canvas';
import type { Fitting } from '../../catalogue/fitting.ts';
import type { ImageFormat } from '../../catalogue/model.ts';

export interface FitInput {
  /** An image that was inspected already. */
  readonly path: string;
  readonly fitting: Fitting;
  /** The formats allowed, the preferred one first. */
  readonly formats: readonly ImageFormat[];
  readonly maxBytes: number;
}

/** Undefined: in none of the formats is it small enough. */
export type FitOutput = { readonly bytes: Uint8Array; readonly format: ImageFormat } | undefined;

/** From one without a visible loss to the lowest that is still a picture. PNG has no quality. */
const QUALITIES = [95, 88, 80, 70, 55];

/** Runs in a native child: see `createFit`. */
export async function run({ path, fitting, formats, maxBytes }: FitInput): Promise<FitOutput> {
  const image = new Image();
  image.src = await readFile(path);
  await image.decode();
  const canvas = draw(image, fitting);
  for (const format of formats) {
    for (const quality of format === 'png' ? [100] : QUALITIES) {
      const bytes = await encode(canvas, format, quality);
      if (bytes.length <= maxBytes) return { bytes, format };
    }
  }
  return undefined;
}

/** Bars and transparent parts are black, as in films. */
function draw(image: Image, { width, height, drawn }: Fitting): Canvas {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  context.fillStyle = 'black';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, drawn.x, drawn.y, drawn.width, drawn.height);
  return canvas;
}

function encode(canvas: Canvas, format: ImageFormat, quality: number): Promise<Buffer> {
  switch (format) {
    case 'png':
      return canvas.encode('png');
    case 'jpeg':
      return canvas.encode('jpeg', quality);
    case 'webp':
      return canvas.encode('webp', quality);
  }
}
