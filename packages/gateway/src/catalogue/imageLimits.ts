import type { VideoRequest } from '../tasks/request.ts';
import { wireName } from './fields.ts';
import type { ImageFormat, ImageLimits, Model, ReferenceFormat, ReferenceLimits } from './model.ts';
import { type KindOf, kindOf } from './references.ts';
import { sizeText } from './sizes.ts';
import { upstreamParameters } from './upstream.ts';
import { list } from './words.ts';

/** An image of a request: a frame, or a reference by its role. */
export type ImagePlace = 'image' | 'lastFrame' | { readonly role?: string | undefined };

/** What to do with an image that breaks the limits of its model: refuse it, cut off what is too much, or add bars. */
export const IMAGE_FITS = ['error', 'cover', 'contain'] as const;
export type ImageFit = (typeof IMAGE_FITS)[number];

/** What a model demands of one image of a request. */
export interface ImageDemand extends Omit<ReferenceLimits, 'source'> {
  /** The only size allowed. */
  readonly size?: Pixels;
}

interface Pixels {
  readonly width: number;
  readonly height: number;
}

/** An image, as far as limits are about it. */
export interface MeasuredImage extends Pixels {
  readonly format: ImageFormat;
  readonly bytes: number;
  readonly transparent?: boolean | undefined;
}

type Shaped = Pick<VideoRequest, 'duration' | 'resolution' | 'aspectRatio' | 'width' | 'height'>;

/** What the model demands of an image of a request. The size of the video is the one that is sent upstream. */
export function imageDemand(model: Model, request: Shaped, place: ImagePlace): ImageDemand | undefined {
  if (typeof place === 'object')
    return kindOf(model.parameters.references, { type: 'image', ...place })?.limits;
  const limits = model.parameters[place]?.limits;
  if (!limits) return undefined;
  const { size, ...rest } = limits;
  return size === undefined ? rest : { ...rest, size: upstreamParameters(model, request) };
}

/** Providers count in millions of bytes, or do not say; so this never lets a larger image pass. */
const MEGABYTE = 1_000_000;
const bytesText = (bytes: number): string =>
  bytes < MEGABYTE / 10 ? `${Math.ceil(bytes / 1000)} kB` : `${Number((bytes / MEGABYTE).toFixed(1))} MB`;

interface Limit {
  /** What is demanded, in plain English. */
  readonly text: string;
  /** Undefined: it cannot be checked on an image alone. */
  readonly holds?: (image: MeasuredImage) => boolean;
}

const between = (min: string | number | undefined, max: string | number | undefined): string => {
  if (min === undefined) return `at most ${max}`;
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
};

/** Whole pixels seldom have an exact ratio, so it may be missed by one where less than one lies between the bounds. */
function hasRatio({ width, height }: Pixels, min: number, max: number): boolean {
  const tolerance = (max - min) * height < 1 ? 1 / height : 0;
  return width / height >= min - tolerance && width / height <= max + tolerance;
}

/** The limits one by one. `size` is that of the video, which the documentation does not know. */
function limitsOf(demand: ImageDemand | ImageLimits): Limit[] {
  const { minPixels, maxPixels } = 'minPixels' in demand || 'maxPixels' in demand ? demand : {};
  const { size, minSide, maxSide, minRatio, maxRatio, maxBytes, formats, transparency, by } = demand;
  const none = Number.POSITIVE_INFINITY;
  return [
    ...(size === 'video' ? [{ text: 'exactly the size of the video' }] : []),
    ...(typeof size === 'object'
      ? [
          {
            text: `exactly ${sizeText(size)} pixels`,
            holds: (image: MeasuredImage) => image.width === size.width && image.height === size.height,
          },
        ]
      : []),
    ...(minSide === undefined && maxSide === undefined
      ? []
      : [
          {
            text: `sides of ${between(minSide, maxSide)} pixels`,
            holds: ({ width, height }: MeasuredImage) =>
              Math.min(width, height) >= (minSide ?? 0) && Math.max(width, height) <= (maxSide ?? none),
          },
        ]),
    ...(minPixels === undefined && maxPixels === undefined
      ? []
      : [
          {
            text: `${between(minPixels, maxPixels)} pixels in all`,
            holds: ({ width, height }: MeasuredImage) =>
              width * height >= (minPixels ?? 0) && width * height <= (maxPixels ?? none),
          },
        ]),
    ...(minRatio === undefined && maxRatio === undefined
      ? []
      : [
          {
            text: `a ratio of width to height of ${between(minRatio, maxRatio)}`,
            holds: (image: MeasuredImage) => hasRatio(image, minRatio ?? 0, maxRatio ?? none),
          },
        ]),
    ...(maxBytes === undefined
      ? []
      : [
          {
            text: `at most ${bytesText(maxBytes)}`,
            holds: ({ bytes }: MeasuredImage) => bytes <= maxBytes,
          },
        ]),
    ...(formats === undefined
      ? []
      : [
          {
            text: list(formats.map(formatName), 'or'),
            holds: ({ format }: MeasuredImage) => formats.some((allowed) => allowed === format),
          },
        ]),
    ...(transparency === undefined
      ? []
      : [{ text: 'no transparency', holds: ({ transparent }: MeasuredImage) => transparent !== true }]),
    ...(by === undefined ? [] : [{ text: 'only by public https URL' }]),
  ];
}

const NAMES: Readonly<Record<ImageFormat, string>> = { jpeg: 'JPEG', png: 'PNG', webp: 'WebP' };
const formatName = (format: ReferenceFormat): string =>
  new Map<string, string>(Object.entries(NAMES)).get(format) ?? format;

/** The limits in plain English, for the documentation. */
export const imageLimitsText = (limits: ImageLimits): string =>
  limitsOf(limits)
    .map(({ text }) => text)
    .join(', ');

/** What is demanded and not so of the image, in plain English. */
export const brokenLimits = (demand: ImageDemand, image: MeasuredImage): string[] =>
  limitsOf(demand).flatMap(({ text, holds }) => (holds?.(image) === false ? [text] : []));

/** The image in a few words: `a PNG of 640x480 pixels and 0.4 MB`. */
export const imageText = (image: MeasuredImage): string =>
  `a ${image.transparent ? 'transparent ' : ''}${formatName(image.format)} of ${sizeText(image)} pixels and ${bytesText(image.bytes)}`;

/** The images of a request before they are read. */
export interface ImagesGiven {
  readonly image?: unknown;
  readonly lastFrame?: unknown;
  readonly references?: readonly (KindOf & { readonly field: string })[];
}

/** The images of a request by their fields, such as `last_frame` and `references[2]`. */
export const imagesGiven = ({ image, lastFrame, references = [] }: ImagesGiven): Map<string, ImagePlace> =>
  new Map<string, ImagePlace>([
    ...(image === undefined ? [] : ([[wireName('image'), 'image']] as const)),
    ...(lastFrame === undefined ? [] : ([[wireName('lastFrame'), 'lastFrame']] as const)),
    ...references.flatMap(({ type, role, field }) =>
      type === 'image' ? ([[field, { role }]] as const) : [],
    ),
  ]);

/** What the caller of `image_fit` should know of images that it cannot change, because their model states no limits. */
export const unlimitedNotes = (model: Model, request: Shaped & ImagesGiven): string[] =>
  [...imagesGiven(request)]
    .filter(([, place]) => !imageDemand(model, request, place))
    .map(([field]) => `${field} is sent as given: no limits are known for such an image of ${model.id}.`);
