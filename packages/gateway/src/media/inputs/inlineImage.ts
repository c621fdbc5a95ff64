/** What a caller may give for an image. */
export type GivenImage =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'base64'; readonly base64: string };

/** The longest `data:` URL header worth looking for a comma in: a type and a few parameters. */
const DATA_HEADER_LENGTH = 256;

/** Tells a URL from an image in the request itself; undefined where it is neither. */
export function readGivenImage(raw: string): GivenImage | undefined {
  if (/^https?:/i.test(raw)) return { kind: 'url', url: raw };
  if (/^data:/i.test(raw)) {
    const comma = raw.slice(0, DATA_HEADER_LENGTH).indexOf(',');
    // The type that it claims does not matter: the bytes tell.
    const isBase64 = comma > 0 && /;\s*base64$/i.test(raw.slice(0, comma));
    return isBase64 ? { kind: 'base64', base64: raw.slice(comma + 1) } : undefined;
  }
  return /^[A-Za-z0-9+/]/.test(raw) && !/^[a-z][a-z0-9+.-]*:/i.test(raw.slice(0, DATA_HEADER_LENGTH))
    ? { kind: 'base64', base64: raw }
    : undefined;
}

/** How many bytes base64 text decodes to, from its length alone. */
export function base64Bytes(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

/** Decodes base64 with its padding and nothing else in it; undefined where it is not that. */
export function decodeBase64(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  // Node skips what is not base64, which makes the result shorter than the text promised.
  return base64.length % 4 === 0 && bytes.length === base64Bytes(base64) ? bytes : undefined;
}
