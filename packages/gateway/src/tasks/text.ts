/**
 * Text that every store holds and gives back as it was: U+FFFD in place of NUL, which PostgreSQL cannot hold, and of halves
 * of surrogate pairs, which are no Unicode.
 */
export const storable = (text: string): string => text.replaceAll('\0', '\ufffd').toWellFormed();

/** The same, of at most `limit` UTF-16 units, without half a character at the end. */
export function bounded(text: string, limit: number): string {
  if (text.length <= limit) return storable(text);
  const end = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
  return storable(text.slice(0, end));
}
