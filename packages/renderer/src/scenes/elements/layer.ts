import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { OVERSCAN, type View } from '../../picture/camera.ts';
import type { Stage } from '../scene.ts';

/** A picture that is painted once and placed in every frame. */
export interface Layer {
  readonly canvas: Canvas;
  /** Top left corner in frame pixels, with the camera at rest. */
  readonly x: number;
  readonly y: number;
  /** 0: infinitely far, does not follow the camera. 1: nearest. */
  readonly depth: number;
  /** The layer has no edges. So it may be placed at whole pixels and left unmagnified, which nobody sees and costs a thirtieth. */
  readonly soft?: boolean;
}

/** The area that a layer covers, in frame pixels. It is wider than the frame, so that the camera can move. */
export interface Band {
  readonly top: number;
  readonly bottom: number;
}

/** Pixels that layers reach beyond the frame at each side. */
export const marginX = (stage: Stage): number => Math.ceil(stage.width * OVERSCAN);
export const marginY = (stage: Stage): number => Math.ceil(stage.height * OVERSCAN);

/**
 * Paints a layer across the whole width, between two heights. `paint` works in frame pixels: x runs from
 * `-marginX` to `width + marginX`.
 */
export function paintBand(
  stage: Stage,
  depth: number,
  band: Band,
  paint: (context: SKRSContext2D) => void,
): Layer {
  const margin = marginX(stage);
  const top = Math.floor(band.top);
  const canvas = createCanvas(stage.width + 2 * margin, Math.max(1, Math.ceil(band.bottom) - top));
  const context = canvas.getContext('2d');
  context.translate(margin, -top);
  paint(context);
  return { canvas, x: -margin, y: top, depth };
}

/** Paints a layer over the whole frame and its margins. */
export const paintFull = (stage: Stage, depth: number, paint: (context: SKRSContext2D) => void): Layer =>
  paintBand(stage, depth, { top: -marginY(stage), bottom: stage.height + marginY(stage) }, paint);

/**
 * Paints something soft at a fraction of the size and lets the scaling blur it, which is cheaper and smoother than a blur.
 * `paint` works in frame pixels.
 */
export function paintSoft(
  stage: Stage,
  depth: number,
  band: Band,
  shrink: number,
  paint: (context: SKRSContext2D) => void,
): Layer {
  const layer = paintBand(stage, depth, band, (context) => {
    const margin = marginX(stage);
    const width = stage.width + 2 * margin;
    const height = band.bottom - band.top;
    const small = createCanvas(Math.ceil(width / shrink), Math.ceil(height / shrink));
    const inner = small.getContext('2d');
    inner.scale(1 / shrink, 1 / shrink);
    inner.translate(margin, -band.top);
    paint(inner);
    // Gradients are dithered. When magnified, their dots would show as a grid.
    const smooth = createCanvas(small.width, small.height);
    const smoothing = smooth.getContext('2d');
    smoothing.filter = 'blur(1.6px)';
    smoothing.drawImage(small, 0, 0);
    context.imageSmoothingQuality = 'high';
    context.drawImage(smooth, -margin, band.top, small.width * shrink, small.height * shrink);
  });
  return { ...layer, soft: true };
}

/** Where the camera puts a point of a layer: `x' = x * scale + dx`. */
export interface Placement {
  readonly scale: number;
  readonly dx: number;
  readonly dy: number;
}

function placement(stage: Stage, view: View, depth: number): Placement {
  const scale = 1 + (view.zoom - 1) * depth;
  return {
    scale,
    dx: (stage.width / 2) * (1 - scale) - view.x * stage.width * depth * scale,
    dy: (stage.height / 2) * (1 - scale) - view.y * stage.height * depth * scale,
  };
}

/** Layers this far away move less than a pixel per frame, so they are placed like soft layers. */
const FAR = 0.1;

/** Draws a layer where the camera sees it, shifted by its own motion in frame pixels. */
export function drawLayer(
  context: SKRSContext2D,
  stage: Stage,
  view: View,
  layer: Layer,
  shiftX = 0,
  shiftY = 0,
): void {
  if (layer.soft || layer.depth < FAR) {
    const x = layer.x + shiftX - view.x * stage.width * layer.depth;
    const y = layer.y + shiftY - view.y * stage.height * layer.depth;
    context.drawImage(layer.canvas, Math.round(x), Math.round(y));
    return;
  }
  const { scale, dx, dy } = placement(stage, view, layer.depth);
  const x = (layer.x + shiftX) * scale + dx;
  const y = (layer.y + shiftY) * scale + dy;
  if (scale === 1) context.drawImage(layer.canvas, x, y);
  else context.drawImage(layer.canvas, x, y, layer.canvas.width * scale, layer.canvas.height * scale);
}

/** Runs `paint` in the coordinates of a depth, for things that are drawn anew in each frame. */
export function atDepth(
  context: SKRSContext2D,
  stage: Stage,
  view: View,
  depth: number,
  paint: () => void,
): void {
  const { scale, dx, dy } = placement(stage, view, depth);
  context.save();
  context.translate(dx, dy);
  context.scale(scale, scale);
  paint();
  context.restore();
}
