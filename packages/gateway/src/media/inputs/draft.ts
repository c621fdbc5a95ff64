import { wireName } from '../../catalogue/fields.ts';
import type { DraftRequest } from '../../catalogue/validate/request.ts';
import type { InputRef, VideoRequest } from '../../tasks/request.ts';

/** An image as the caller gave it, and the field that it was given in: `last_frame`, `reference_images[2]`. */
export interface NamedImage {
  readonly name: string;
  readonly raw: string;
}

/** Every image of a request. */
export function imagesOf({ image, lastFrame, referenceImages = [] }: DraftRequest): NamedImage[] {
  return [
    ...(image === undefined ? [] : [{ name: wireName('image'), raw: image }]),
    ...(lastFrame === undefined ? [] : [{ name: wireName('lastFrame'), raw: lastFrame }]),
    ...referenceImages.map((raw, index) => ({ name: referenceName(index), raw })),
  ];
}

/** The request with what `stored` has for the name of each of its images. */
export function withStored(
  draft: DraftRequest,
  stored: (name: string) => InputRef | undefined,
): VideoRequest {
  const { image: _, lastFrame: __, referenceImages, ...rest } = draft;
  const image = stored(wireName('image'));
  const lastFrame = stored(wireName('lastFrame'));
  return {
    ...rest,
    ...(image ? { image } : {}),
    ...(lastFrame ? { lastFrame } : {}),
    ...(referenceImages
      ? { referenceImages: referenceImages.flatMap((_raw, index) => stored(referenceName(index)) ?? []) }
      : {}),
  };
}

const referenceName = (index: number): string => `${wireName('referenceImages')}[${index}]`;
