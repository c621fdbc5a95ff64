import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { type Colour, css } from '../../picture/colour.ts';

const SIZE = 128;

/** A soft round light, painted once, because a picture is drawn many times faster than a gradient. */
export function createGlow(colour: Colour): Canvas {
  const canvas = createCanvas(SIZE, SIZE);
  const context = canvas.getContext('2d');
  const gradient = context.createRadialGradient(SIZE / 2, SIZE / 2, 0, SIZE / 2, SIZE / 2, SIZE / 2);
  gradient.addColorStop(0, css(colour, 1));
  gradient.addColorStop(0.18, css(colour, 0.55));
  gradient.addColorStop(0.5, css(colour, 0.14));
  gradient.addColorStop(1, css(colour, 0));
  context.fillStyle = gradient;
  context.fillRect(0, 0, SIZE, SIZE);
  return canvas;
}

/** Adds a light to the picture. `squash` flattens it, for a light on the ground. */
export function drawGlow(
  context: SKRSContext2D,
  glow: Canvas,
  at: { readonly x: number; readonly y: number },
  radius: number,
  alpha: number,
  squash = 1,
): void {
  context.globalCompositeOperation = 'lighter';
  context.globalAlpha = alpha;
  context.drawImage(glow, at.x - radius, at.y - radius * squash, radius * 2, radius * 2 * squash);
  context.globalAlpha = 1;
  context.globalCompositeOperation = 'source-over';
}
