import { readFile } from 'node:fs/promises';
import { createCanvas, Image } from '@napi-rs/canvas';
import { isIntact } from './decodeStrictly.ts';
import { type ImageHeader, type ImageType, readImageHeader } from './imageHeader.ts';

/** `too_many_pixels`: beyond 50 megapixels, which is 200 MB once decoded. */
export type ImageProblem = 'not_image' | 'too_many_pixels' | 'damaged';

/** The facts of an image; width and height in pixels, as displayed. */
export interface ImageFacts {
  readonly contentType: ImageType;
  readonly width: number;
  readonly height: number;
  /** Something shows through. */
  readonly transparent?: true;
}

export type InspectImageOutput =
  | { readonly ok: true; readonly facts: ImageFacts }
  | { readonly ok: false; readonly problem: ImageProblem };

const MAX_PIXELS = 50_000_000;

/** Runs in a native child: see `inspectImage`. */
export async function run({ path }: { path: string }): Promise<InspectImageOutput> {
  const bytes = await readFile(path);
  const header = readImageHeader(bytes);
  if (!header || header.width === 0 || header.height === 0) return { ok: false, problem: 'not_image' };
  if (header.width * header.height > MAX_PIXELS) return { ok: false, problem: 'too_many_pixels' };
  if (!isComplete(bytes, header)) return { ok: false, problem: 'damaged' };
  try {
    const image = new Image();
    image.src = bytes;
    await image.decode();
    if (!(await isIntact(bytes, header))) return { ok: false, problem: 'damaged' };
    const { contentType } = header;
    const { width, height } = image;
    const transparent = contentType !== 'image/jpeg' && isTransparent(image);
    return { ok: true, facts: { contentType, width, height, ...(transparent ? { transparent } : {}) } };
  } catch {
    return { ok: false, problem: 'damaged' };
  }
}

/** The side of the small copy that is searched for transparent pixels. */
const COPY_SIDE = 256;

/** Looks at a small copy, because the pixels of the image would take as much memory as the decoded image does already. */
function isTransparent(image: Image): boolean {
  const [width, height] = [Math.min(COPY_SIDE, image.width), Math.min(COPY_SIDE, image.height)];
  const context = createCanvas(width, height).getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha] !== 255) return true;
  return false;
}

/**
 * Decoders fill in the missing part of a truncated file, so this searches for the end marker of the format. Phones and editors
 * append data of their own, so the marker need not be last.
 */
function isComplete(bytes: Buffer, { contentType, end }: ImageHeader): boolean {
  switch (contentType) {
    case 'image/png':
      return bytes.lastIndexOf('IEND', undefined, 'latin1') >= end;
    case 'image/jpeg':
      // A thumbnail before the picture has an end marker of its own.
      return bytes.lastIndexOf(Buffer.from([0xff, 0xd9])) >= end;
    case 'image/webp':
      return bytes.length >= bytes.readUInt32LE(4) + 8;
  }
}
