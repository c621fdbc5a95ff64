/**
 * Text that every store can hold unchanged. U+FFFD replaces NUL, which PostgreSQL cannot store, and lone surrogates, which are
 * not valid Unicode.
 */
export const storable = (text: string): string => text.replaceAll('\0', '\ufffd').toWellFormed();

/** `storable` text of at most `limit` UTF-16 code units, which does not end in the middle of a character. */
export function bounded(text: string, limit: number): string {
  if (text.length <= limit) return storable(text);
  const end = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
  return storable(text.slice(0, end));
}

/** The value of a JSON text; undefined if it is not valid. */
export function valueOfJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A shorter text is also part of other words. Characters. */
const LEAST_QUOTE = 8;

/** The text without what it quotes of `words`, plain or as JSON, also where it breaks off inside the quotation. */
export function unquoted(text: string, words: string): string {
  if (words.length < LEAST_QUOTE) return text;
  const forms = [words, JSON.stringify(words).slice(1, -1)];
  const rest = forms.reduce((left, form) => left.replaceAll(form, QUOTED), text);
  for (const form of forms) {
    for (let length = Math.min(form.length, rest.length); length >= LEAST_QUOTE; length--)
      if (rest.endsWith(form.slice(0, length))) return rest.slice(0, -length) + QUOTED;
  }
  return rest;
}

const QUOTED = '[prompt]';
