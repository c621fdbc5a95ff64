import { ASPECT_RATIOS, type AspectRatio, RESOLUTIONS, type Resolution } from '../tasks/request.ts';
import type { Model } from './model.ts';
import type { Size } from './size.ts';

/** The size for a resolution and a ratio, unless a model has its own sizes. The short side is the number in the resolution. */
const STANDARD_SIZES = {
  '360p': {
    '16:9': '640x360',
    '9:16': '360x640',
    '1:1': '360x360',
    '4:3': '480x360',
    '3:4': '360x480',
    '21:9': '840x360',
  },
  '480p': {
    '16:9': '854x480',
    '9:16': '480x854',
    '1:1': '480x480',
    '4:3': '640x480',
    '3:4': '480x640',
    '21:9': '1120x480',
  },
  '720p': {
    '16:9': '1280x720',
    '9:16': '720x1280',
    '1:1': '720x720',
    '4:3': '960x720',
    '3:4': '720x960',
    '21:9': '1680x720',
  },
  '1080p': {
    '16:9': '1920x1080',
    '9:16': '1080x1920',
    '1:1': '1080x1080',
    '4:3': '1440x1080',
    '3:4': '1080x1440',
    '21:9': '2520x1080',
  },
  '4k': {
    '16:9': '3840x2160',
    '9:16': '2160x3840',
    '1:1': '2160x2160',
    '4:3': '2880x2160',
    '3:4': '2160x2880',
    '21:9': '5040x2160',
  },
} as const satisfies Record<Resolution, Record<AspectRatio, Size>>;

/** A shape that a model can be asked for. */
export interface Shape {
  readonly resolution: Resolution;
  readonly aspectRatio: AspectRatio;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** The model's shape for a resolution and a ratio. */
export function shapeOf(model: Model, resolution: Resolution, aspectRatio: AspectRatio): Shape {
  const own = model.sizes?.[resolution]?.[aspectRatio]?.[0];
  return toShape(resolution, aspectRatio, own ?? STANDARD_SIZES[resolution][aspectRatio]);
}

/** Every shape that the model accepts, in the order of `RESOLUTIONS` and `ASPECT_RATIOS`. */
export function shapesOf(model: Model): Shape[] {
  const { resolution: resolutions, aspectRatio: ratios } = model.parameters;
  return RESOLUTIONS.filter((resolution) => resolutions.allowed.includes(resolution)).flatMap((resolution) =>
    ASPECT_RATIOS.filter((ratio) => ratios.allowed.includes(ratio)).flatMap((ratio) => {
      const sizes = model.sizes?.[resolution]?.[ratio] ?? [STANDARD_SIZES[resolution][ratio]];
      return sizes.map((size) => toShape(resolution, ratio, size));
    }),
  );
}

/** The size of a shape as written in a request. */
export const sizeText = ({ width, height }: Pick<Shape, 'width' | 'height'>): Size => `${width}x${height}`;

function toShape(resolution: Resolution, aspectRatio: AspectRatio, size: Size): Shape {
  const [width = 0, height = 0] = size.split('x').map(Number);
  return { resolution, aspectRatio, width, height };
}
