import { invalidRequest } from '../../tasks/errors.ts';
import type { AspectRatio, Resolution } from '../../tasks/request.ts';
import { type Given, wireName } from '../fields.ts';
import type { Model } from '../model.ts';
import { type Shape, shapeOf, shapesOf, sizeText } from '../sizes.ts';
import { list, shown } from '../words.ts';

interface Wanted {
  readonly size: Given | undefined;
  readonly resolution: Resolution | undefined;
  readonly aspectRatio: AspectRatio | undefined;
}

/** The requested shape, given by size or by resolution and ratio. If both are given they must agree. */
export function checkShape(model: Model, { size, resolution, aspectRatio }: Wanted): Shape {
  const { resolution: resolutions, aspectRatio: ratios } = model.parameters;
  if (!size) {
    return shapeOf(model, resolution ?? resolutions.default, aspectRatio ?? ratios.default);
  }
  const pixels = readSize(size);
  const shapes = shapesOf(model);
  const sameSize = shapes.filter((shape) => sizeText(shape) === pixels);
  if (sameSize.length === 0) {
    throw invalidRequest(
      `size ${shown(size.value)} is not possible with ${model.id}; allowed: ${list([...new Set(shapes.map(sizeText))], 'or')}.`,
      'size',
    );
  }
  const shape = sameSize.find(
    (candidate) =>
      candidate.resolution === (resolution ?? candidate.resolution) &&
      candidate.aspectRatio === (aspectRatio ?? candidate.aspectRatio),
  );
  if (shape) return shape;
  const [meant = sameSize[0]] = sameSize;
  const name = resolution !== undefined && meant?.resolution !== resolution ? 'resolution' : 'aspectRatio';
  throw invalidRequest(
    `size ${pixels} means resolution ${meant?.resolution} and aspect_ratio ${meant?.aspectRatio}, which contradicts the ${wireName(name)} given; send size alone, or the other two.`,
    'size',
  );
}

function readSize({ value }: Given): string {
  const match = typeof value === 'string' ? /^\s*(\d{2,5})\s*[x*×]\s*(\d{2,5})\s*$/i.exec(value) : null;
  if (!match) {
    throw invalidRequest(
      `size must be width and height in pixels, such as "1280x720"; got ${shown(value)}.`,
      'size',
    );
  }
  return `${Number(match[1])}x${Number(match[2])}`;
}
