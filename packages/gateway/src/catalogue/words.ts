/** `a`, `a or b`, `a, b or c`. */
export function list(items: readonly unknown[], joiner: 'and' | 'or'): string {
  const words = items.map(String);
  const last = words.pop();
  return words.length === 0 ? (last ?? '') : `${words.join(', ')} ${joiner} ${last}`;
}

/** A caller's value in an error message: enough to recognise it, never a megabyte of it. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  // `1e400` is Infinity once parsed, which JSON would write as null.
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value.slice(0, 60).toWellFormed() : value;
  return typeof value === 'string' && value.length > 60 ? `${JSON.stringify(text)}…` : JSON.stringify(text);
}
