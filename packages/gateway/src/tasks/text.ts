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
