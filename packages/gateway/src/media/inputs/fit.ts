import { type Fitting, fitting } from '../../catalogue/fitting.ts';
import {
  brokenLimits,
  type ImageDemand,
  type ImageFit,
  imageText,
  type MeasuredImage,
} from '../../catalogue/imageLimits.ts';
import type { ImageFormat } from '../../catalogue/model.ts';
import { list } from '../../catalogue/words.ts';
import type { NativePool } from '../../native/pool.ts';
import { refused } from './bytes.ts';
import type { FitInput, FitOutput } from './fit.job.ts';

const JOB = new URL('./fit.job.ts', import.meta.url);

/** Decoding 50 megapixels takes about a second, and each encoding of as many another two. */
const TIMEOUT_MS = 30_000;

/** Draws an image anew in a native child. */
export const drawFitting = (native: NativePool, input: FitInput): Promise<FitOutput> =>
  native.run<FitInput, FitOutput>(JOB, input, { timeoutMs: TIMEOUT_MS });

/** What is demanded of one image of a request, and what becomes of it if it is otherwise. */
export interface ImageRule {
  /** The field, for errors and notes. */
  readonly name: string;
  readonly model: string;
  /** Undefined: no limits are known. */
  readonly demand: ImageDemand | undefined;
  readonly fit: ImageFit;
  /** Set if the image has been fitted already. */
  readonly drawnBy?: ImageFit;
}

/** An image in place of the caller's. */
export interface FittedImage {
  readonly bytes: Buffer;
  readonly contentType: `image/${ImageFormat}`;
  readonly note: string;
}

interface FitParts {
  readonly draw: (input: FitInput) => Promise<FitOutput>;
  /** The most bytes of an image that is stored. */
  readonly maxBytes: number;
  /** Whether an upstream that fetches images can fetch what was drawn. */
  readonly hasLinks: boolean;
}

/**
 * Resolves with the image that takes the place of one that breaks a limit; undefined if it breaks none. Throws a 400 that says what the image
 * is and what is demanded, if the caller does not want it to be fitted or it cannot be.
 */
export async function fitted(
  { demand, fit, drawnBy, ...rule }: ImageRule,
  path: string,
  image: MeasuredImage,
  { draw, maxBytes, hasLinks }: FitParts,
): Promise<FittedImage | undefined> {
  const broken = demand ? brokenLimits(demand, image) : [];
  if (!demand || broken.length === 0) return undefined;
  const needs = `${rule.model} needs ${list(broken, 'and')}`;
  if (drawnBy) {
    throw refused(rule.name, `${needs}, and image_fit "${drawnBy}" made ${imageText(image)}; send another.`);
  }
  const problem = `${needs}, and this is ${imageText(image)}`;
  if (demand.by === 'url' && !hasLinks) {
    throw refused(rule.name, `${problem}; give the URL of another, because the provider fetches it there.`);
  }
  if (fit === 'error') {
    throw refused(
      rule.name,
      `${problem}; send another, or let it be fitted by image_fit "cover", which may cut off its edges, or "contain", which may add bars.`,
    );
  }
  const target = fitting(demand, image, fit);
  const most = Math.min(demand.maxBytes ?? maxBytes, maxBytes);
  const made = await draw({ path, fitting: target, formats: formatsFor(demand, image), maxBytes: most });
  if (!made) throw refused(rule.name, `${problem}; it cannot be made that small, so send another.`);
  return {
    // A child sends bytes as a plain array.
    bytes: Buffer.from(made.bytes),
    contentType: `image/${made.format}`,
    note: `${rule.name} was fitted by ${fit}: ${imageText(image)} became ${imageText({ ...target, format: made.format, bytes: made.bytes.length })}${changeOf(target)}.`,
  };
}

/** What a fitting does to the picture beyond its scale. A part of a pixel comes from rounding. */
function changeOf({ width, height, drawn }: Fitting): string {
  if (drawn.width - width >= 1) return ', cut at its left and right';
  if (drawn.height - height >= 1) return ', cut at its top and bottom';
  if (width - drawn.width >= 1) return ', with black bars at its left and right';
  return height - drawn.height >= 1 ? ', with black bars at its top and bottom' : '';
}

/** The format of the image first, unless it is lossy: JPEG is what every upstream takes. */
function formatsFor({ formats }: ImageDemand, { format }: MeasuredImage): ImageFormat[] {
  const preferred: ImageFormat[] = [...(format === 'png' ? [format] : []), 'jpeg', 'webp', 'png'];
  return [...new Set(preferred)].filter(
    (candidate) => formats?.some((allowed) => allowed === candidate) ?? true,
  );
}
