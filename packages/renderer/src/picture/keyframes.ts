import { type Canvas, createCanvas, type Image, type SKRSContext2D } from '@napi-rs/canvas';
import { clamp, lerp, smoothstep } from '../easing.ts';

/** How far an image is magnified while it fades, so that it moves and does not look like a slide. */
const PUSH = 0.07;

/** Part of the video that one image takes, and its bounds in seconds. */
const PART = 0.45;
const SHORTEST = 0.4;
const LONGEST = 3;

/** Draws the first frame over the beginning of a scene and the last frame over its end, cropped to the frame. */
export function createKeyframes(
  frame: {
    readonly width: number;
    readonly height: number;
    readonly duration: number;
    readonly lastTime: number;
  },
  images: { readonly first: Image | undefined; readonly last: Image | undefined },
): (context: SKRSContext2D, time: number) => void {
  const first = images.first && coverFit(images.first, frame);
  const last = images.last && coverFit(images.last, frame);
  const length = Math.min(clamp(frame.duration * PART, SHORTEST, LONGEST), frame.duration / 2);
  return (context, time) => {
    const fromStart = time / length;
    const toEnd = (frame.lastTime - time) / length;
    // The image is shown alone for a moment before it fades.
    if (first && fromStart < 1) draw(context, first, 1 - smoothstep(0.2, 1, fromStart), fromStart);
    if (last && toEnd < 1) draw(context, last, 1 - smoothstep(0.2, 1, toEnd), toEnd);
  };
}

function draw(context: SKRSContext2D, picture: Canvas, alpha: number, away: number): void {
  const { width, height } = picture;
  const scale = lerp(1, 1 + PUSH, away * away);
  context.globalAlpha = alpha;
  context.drawImage(
    picture,
    (width * (1 - scale)) / 2,
    (height * (1 - scale)) / 2,
    width * scale,
    height * scale,
  );
  context.globalAlpha = 1;
}

/** The middle of an image at the size of the frame. */
function coverFit(image: Image, { width, height }: { width: number; height: number }): Canvas {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  // An image may be transparent. A video may not.
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  const scale = Math.max(width / image.width, height / image.height);
  const drawn = { width: image.width * scale, height: image.height * scale };
  context.drawImage(image, (width - drawn.width) / 2, (height - drawn.height) / 2, drawn.width, drawn.height);
  return canvas;
}
