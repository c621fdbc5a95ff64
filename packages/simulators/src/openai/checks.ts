import { type Body, isObject, isUpload } from './body.ts';
import { refusals } from './errors.ts';
import { imageSize } from './imageSize.ts';
import { LONGEST_IMAGE_URL, LONGEST_PROMPT } from './models.ts';

/** Refuses fields that the endpoint does not have. */
export function onlyFields(body: Body, known: readonly string[]): void {
  for (const name of Object.keys(body)) if (!known.includes(name)) throw refusals.unknownParameter(name);
}

export function promptOf(body: Body): string {
  const { prompt } = body;
  if (prompt === undefined || prompt === '') throw refusals.missing('prompt');
  if (typeof prompt !== 'string') throw refusals.invalidType('prompt', 'a string', describe(prompt));
  if (prompt.length > LONGEST_PROMPT) throw refusals.tooLong('prompt', LONGEST_PROMPT, prompt.length);
  return prompt;
}

export function textOf(body: Body, name: string, fallback: string): string {
  const value = body[name] ?? fallback;
  if (typeof value !== 'string') throw refusals.invalidType(name, 'a string', describe(value));
  return value;
}

/** One of the allowed words. `fallback` is used if the field is absent. Without a fallback the field is required. */
export function choiceOf(body: Body, name: string, allowed: readonly string[], fallback?: string): string {
  const value = body[name] ?? fallback;
  if (value === undefined) throw refusals.missing(name);
  if (typeof value !== 'string') throw refusals.invalidEnumType(name, allowed, describe(value));
  if (!allowed.includes(value)) throw refusals.invalidValue(name, value, allowed);
  return value;
}

/** The reference must be an image of exactly the requested size. An image behind a URL is not fetched. */
export function checkReference(body: Body, size: { width: number; height: number }): void {
  const reference = body.input_reference;
  if (reference === undefined) return;
  const bytes = referenceBytes(reference);
  if (!bytes) return;
  const actual = imageSize(bytes);
  if (!actual) throw refusals.imageType();
  if (actual.width !== size.width || actual.height !== size.height) throw refusals.imageSize();
}

function referenceBytes(reference: unknown): Buffer | undefined {
  if (isUpload(reference)) return reference.file;
  if (!isObject(reference)) {
    throw refusals.invalidType('input_reference', 'a file or an object', describe(reference));
  }
  const { image_url: url, file_id: file } = reference;
  // OpenAI's public API description, schema ImageRefParam: exactly one of the two.
  if ((url === undefined) === (file === undefined)) throw refusals.missing('input_reference.image_url');
  if (typeof url !== 'string') return undefined;
  if (url.length > LONGEST_IMAGE_URL) {
    throw refusals.tooLong('input_reference.image_url', LONGEST_IMAGE_URL, url.length);
  }
  const [, data] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  return data === undefined ? undefined : Buffer.from(data, 'base64');
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
