import type { SKRSContext2D } from '@napi-rs/canvas';
import { type Colour, css, mix } from '../../picture/colour.ts';
import type { Light } from '../../prompt/direction.ts';
import { createNoise } from '../../random.ts';
import type { Stage } from '../scene.ts';
import { type Layer, marginX, marginY, paintBand } from './layer.ts';

export interface Ridge {
  readonly depth: number;
  /** The mean height of the crest and its amplitude, in frame pixels from the top. */
  readonly base: number;
  readonly swing: number;
  /** Bumps across the frame's width. */
  readonly bumps: number;
  /** 1: smooth like dunes. 5: rough like rock. */
  readonly octaves: number;
  readonly top: Colour;
  readonly foot: Colour;
  /** Sharp crests, like those of rock, instead of round ones. */
  readonly sharp?: boolean;
  /** How far things on the ridge may rise above its crest, in frame pixels. */
  readonly headroom?: number;
}

/** A painted ridge, and the height of its crest at each x, in frame pixels. */
export interface PaintedRidge {
  readonly layer: Layer;
  readonly crest: (x: number) => number;
}

/** A range of hills, mountains or dunes down to the bottom of the frame. `adorn` paints on top of it. */
export function paintRidge(
  stage: Stage,
  ridge: Ridge,
  adorn?: (context: SKRSContext2D, crest: (x: number) => number) => void,
): PaintedRidge {
  const noise = createNoise(stage.random, ridge.octaves);
  const offset = stage.random() * 200;
  const crest = (x: number): number => {
    const value = noise(offset + (x / stage.width) * ridge.bumps);
    return ridge.base - (ridge.sharp ? 1 - 2 * Math.abs(value) : value) * ridge.swing;
  };
  const bottom = stage.height + marginY(stage);
  const headroom = ridge.swing + (ridge.headroom ?? stage.unit * 16);
  const layer = paintBand(stage, ridge.depth, { top: ridge.base - headroom, bottom }, (context) => {
    const gradient = context.createLinearGradient(
      0,
      ridge.base - ridge.swing,
      0,
      ridge.base + ridge.swing * 1.6 + stage.unit * 14,
    );
    gradient.addColorStop(0, css(ridge.top));
    gradient.addColorStop(1, css(ridge.foot));
    context.fillStyle = gradient;
    traceCrest(context, stage, crest);
    context.lineTo(stage.width + marginX(stage), bottom);
    context.lineTo(-marginX(stage), bottom);
    context.fill();
    adorn?.(context, crest);
  });
  return { layer, crest };
}

/** Begins a path along a crest, from the left margin to the right one. */
export function traceCrest(context: SKRSContext2D, stage: Stage, crest: (x: number) => number): void {
  const margin = marginX(stage);
  const step = Math.max(2, stage.unit * 0.35);
  context.beginPath();
  context.moveTo(-margin, crest(-margin));
  for (let x = -margin + step; x < stage.width + margin + step; x += step) context.lineTo(x, crest(x));
}

/** The colour of something at a distance: the near colour fades into the haze (aerial perspective). */
export const hazed = (stage: Stage, distance: number): Colour =>
  mix(stage.palette.near, stage.palette.haze, distance);

/** How much of a thing's own colour is left in shadow. */
const SHADE: Readonly<Record<Light, number>> = { dawn: 0.3, day: 0, dusk: 0.46, night: 0.78 };

/** A thing's own colour in the light of the scene. */
export function litColour({ palette, direction }: Stage, own: Colour): Colour {
  const shaded = mix(own, palette.near, SHADE[direction.light]);
  return direction.light === 'day' ? shaded : mix(shaded, palette.sky[2], 0.16);
}

/** A fir with its foot at (x, y). */
export function paintFir(context: SKRSContext2D, x: number, y: number, height: number): void {
  const width = height * 0.36;
  context.beginPath();
  context.moveTo(x, y - height);
  for (let tier = 1; tier <= 4; tier++) {
    const down = y - height + (height * 0.92 * tier) / 4;
    const half = (width / 2) * (tier / 4) ** 0.8;
    context.lineTo(x + half, down);
    context.lineTo(x + half * 0.45, down - height * 0.03);
  }
  context.lineTo(x + width * 0.05, y);
  context.lineTo(x - width * 0.05, y);
  for (let tier = 4; tier >= 1; tier--) {
    const down = y - height + (height * 0.92 * tier) / 4;
    const half = (width / 2) * (tier / 4) ** 0.8;
    context.lineTo(x - half * 0.45, down - height * 0.03);
    context.lineTo(x - half, down);
  }
  context.closePath();
  context.fill();
}
