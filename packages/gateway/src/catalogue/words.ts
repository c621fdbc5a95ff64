/** `a`, `a or b`, `a, b or c`. An `Intl.ListFormat` says the same, and takes a start 16 ms to load. */
export function list(items: readonly unknown[], joiner: 'and' | 'or'): string {
  const [last = '', ...before] = items.map(String).reverse();
  return before.length === 0 ? last : `${before.reverse().join(', ')} ${joiner} ${last}`;
}

/** A caller's value for an error message, cut to a recognisable length. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  // `1e400` parses to Infinity, which JSON.stringify would turn into null.
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value.slice(0, 60).toWellFormed() : value;
  return typeof value === 'string' && value.length > 60 ? `${JSON.stringify(text)}…` : JSON.stringify(text);
}
