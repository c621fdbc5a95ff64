import { type Fields, isObject } from './body.ts';
import { refusals } from './errors.ts';
import type { Service } from './models.ts';

/** "Images: JPEG, PNG or WebP" (Veo on Vertex AI video generation API, `mimeType`), "up to 20 MB". */
const TYPES: readonly unknown[] = ['image/jpeg', 'image/png', 'image/webp'];
const LONGEST_IMAGE = 20 * 1024 * 1024;
const MOST_REFERENCES = 3;
/** The documentation shows lower case. The SDKs send the names of their enum: `ASSET`. */
const REFERENCE_TYPES = /^(?:asset|style)$/i;

/** The images of an instance. Throws if one of them cannot be an image. */
export function imagesOf(
  service: Service,
  instance: Fields,
): { first: boolean; last: boolean; references: number } {
  const given = (name: string): boolean => (instance[name] ?? undefined) !== undefined;
  for (const name of ['image', 'lastFrame']) if (given(name)) checkImage(service, instance[name], name);
  const references = given('referenceImages') ? instance.referenceImages : [];
  if (!Array.isArray(references) || references.length > MOST_REFERENCES) {
    throw refusals.invalid(`\`referenceImages\` must be a list of at most ${MOST_REFERENCES} images.`);
  }
  for (const reference of references) {
    if (!isObject(reference) || !REFERENCE_TYPES.test(String(reference.referenceType))) {
      throw refusals.invalid('`referenceType` must be asset or style.');
    }
    checkImage(service, reference.image, 'referenceImages.image');
  }
  return { first: given('image'), last: given('lastFrame'), references: references.length };
}

function checkImage(service: Service, image: unknown, name: string): void {
  if (!isObject(image)) throw refusals.invalid(`\`${name}\` must be an object.`);
  if (service === 'vertex' && typeof image.gcsUri === 'string') return;
  // The REST samples in the Gemini API's documentation show `inlineData`. The SDKs send `bytesBase64Encoded`.
  const inline = service === 'gemini' && isObject(image.inlineData) ? image.inlineData : undefined;
  const data = inline ? inline.data : image.bytesBase64Encoded;
  const mimeType = inline ? inline.mimeType : image.mimeType;
  if (typeof data !== 'string' || data === '') {
    throw refusals.invalid(`\`${name}\` has no image data: set \`bytesBase64Encoded\`.`);
  }
  if (!TYPES.includes(mimeType))
    throw refusals.invalid(`Unsupported mime type ${String(mimeType)} for \`${name}\`.`);
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== data) {
    throw refusals.invalid(`\`${name}\` is not valid base64.`);
  }
  if (bytes.length > LONGEST_IMAGE) throw refusals.invalid(`\`${name}\` is larger than 20 MB.`);
}
