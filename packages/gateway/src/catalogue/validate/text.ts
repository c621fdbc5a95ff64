import { invalidRequest } from '../../tasks/errors.ts';
import type { Given } from '../fields.ts';
import { shown } from '../words.ts';

const URL_MAX_LENGTH = 2048;
export const METADATA_PAIRS = 16;
const METADATA_KEY_LENGTH = 64;
const METADATA_VALUE_LENGTH = 512;
/** Bytes of JSON. */
const OPTIONS_MAX_BYTES = 16 * 1024;
/** Deeper than the parameters of any upstream, and shallow enough for every JSON library. */
const OPTIONS_MAX_DEPTH = 16;

/** Text that every store and upstream can hold: without NUL and lone surrogates. */
export const isText = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\0') && value.isWellFormed();

/**
 * A character that is visible by itself. Excludes white space, control and format characters, combining marks, and characters
 * that are blank by design (Hangul fillers are default-ignorable; the empty Braille pattern is not).
 */
const VISIBLE = /[^\p{White_Space}\p{Cc}\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}\u2800]/u;

export function checkPrompt(given: Given | undefined, maxLength: number, modelId: string): string {
  if (!given) throw invalidRequest('prompt is required: say what the video shows.', 'prompt');
  const prompt = checkLength(given, maxLength, modelId);
  if (!VISIBLE.test(prompt)) throw invalidRequest('prompt is empty: say what the video shows.', 'prompt');
  return prompt;
}

/**
 * Text of at most `maxLength` characters (code points), with `\n` for every line end. Upstreams change other line ends, and the
 * prompt must stay the same, because a lost submission is found by it.
 */
export function checkLength({ name, value: given }: Given, maxLength: number, modelId: string): string {
  if (typeof given !== 'string') throw invalidRequest(`${name} must be text, not ${shown(given)}.`, name);
  const value = given.replace(/\r\n?/g, '\n');
  if (!isText(value)) {
    throw invalidRequest(
      `${name} contains a NUL character or half of a surrogate pair; send valid Unicode text.`,
      name,
    );
  }
  if (isLonger(value, maxLength)) {
    throw invalidRequest(`${name} is too long: ${modelId} takes at most ${maxLength} characters.`, name);
  }
  return value;
}

/** Whether the text has more code points. One is one or two UTF-16 units long, so counting is only needed between the two bounds. */
export const isLonger = (text: string, most: number): boolean =>
  text.length > most && (text.length > 2 * most || [...text].length > most);

/** An absolute http or https URL, unchanged. Stricter than `URL`, which tolerates spaces, line breaks and missing slashes. */
export function checkUrl({ name, value }: Given): string {
  const fits = isText(value) && value.length <= URL_MAX_LENGTH && /^https?:\/\/[^\s\p{Cc}]+$/iu.test(value);
  if (!fits || !URL.canParse(value)) {
    throw invalidRequest(
      `${name} must be an absolute http or https URL of at most ${URL_MAX_LENGTH} characters; got ${shown(value)}.`,
      name,
    );
  }
  return value;
}

/** A link to a video of this gateway, its path, or the id of a task. The owner is checked later. */
export function checkOwnVideo(given: Given): string {
  const { name, value } = given;
  if (isText(value) && value.length <= URL_MAX_LENGTH && /^(\/|video_|https?:\/\/.)/i.test(value))
    return value;
  throw invalidRequest(
    `${name} must be the id of a finished task, or its video's link; got ${shown(value)}.`,
    name,
  );
}

/** Up to 16 pairs of text, which are returned unchanged. */
export function checkMetadata({ name, value }: Given): Readonly<Record<string, string>> {
  const pairs = isPlainObject(value) ? Object.entries(value) : undefined;
  if (!pairs || pairs.length > METADATA_PAIRS) {
    throw invalidRequest(`${name} must be an object of at most ${METADATA_PAIRS} text pairs.`, name);
  }
  for (const [key, text] of pairs) {
    if (!isText(key) || key === '' || key.length > METADATA_KEY_LENGTH) {
      throw invalidRequest(
        `The key ${shown(key)} in ${name} must be text of 1 to ${METADATA_KEY_LENGTH} characters.`,
        name,
      );
    }
    if (!isText(text) || text.length > METADATA_VALUE_LENGTH) {
      throw invalidRequest(
        `The value of ${shown(key)} in ${name} must be text of at most ${METADATA_VALUE_LENGTH} characters.`,
        name,
      );
    }
  }
  // Every value was checked to be text above.
  return Object.fromEntries(pairs) as Record<string, string>;
}

/** `{"<provider>": {…}}`, for the provider of the model only. The options inside are not checked. */
export function checkProviderOptions(
  { name, value }: Given,
  provider: string,
): Readonly<Record<string, unknown>> {
  const inner = isPlainObject(value) && Object.hasOwn(value, provider) ? value[provider] : undefined;
  if (!isPlainObject(value) || !isPlainObject(inner) || Object.keys(value).length !== 1) {
    throw invalidRequest(
      `${name} must look like {"${provider}": {…}}: this model is served by ${provider}, and options of other providers would be ignored.`,
      name,
    );
  }
  if (isDeeper(inner, OPTIONS_MAX_DEPTH) || Buffer.byteLength(JSON.stringify(value)) > OPTIONS_MAX_BYTES) {
    throw invalidRequest(
      `${name} must be at most ${OPTIONS_MAX_BYTES / 1024} kB of JSON, ${OPTIONS_MAX_DEPTH} levels deep.`,
      name,
    );
  }
  return inner;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
