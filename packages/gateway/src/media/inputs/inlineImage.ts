import { namesFile } from '../../tasks/ids.ts';

/** The forms in which a caller may pass an image. */
export type GivenImage =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'base64'; readonly base64: string }
  | { readonly kind: 'file'; readonly id: string };

/** The longest `data:` URL header in which a comma is searched for: a type and a few parameters. */
const DATA_HEADER_LENGTH = 256;

/** Distinguishes a URL and the id of an uploaded file from image data in the request; undefined if it is none of them. */
export function readGivenImage(raw: string): GivenImage | undefined {
  if (namesFile(raw)) return { kind: 'file', id: raw };
  if (/^https?:/i.test(raw)) return { kind: 'url', url: raw };
  if (/^data:/i.test(raw)) {
    const comma = raw.slice(0, DATA_HEADER_LENGTH).indexOf(',');
    // The declared type is ignored: the type is detected from the bytes.
    const isBase64 = comma > 0 && /;\s*base64$/i.test(raw.slice(0, comma));
    return isBase64 ? { kind: 'base64', base64: raw.slice(comma + 1) } : undefined;
  }
  return /^[A-Za-z0-9+/]/.test(raw) && !/^[a-z][a-z0-9+.-]*:/i.test(raw.slice(0, DATA_HEADER_LENGTH))
    ? { kind: 'base64', base64: raw }
    : undefined;
}

/** The decoded length of base64 text in bytes, from the length of the text alone. */
export function base64Bytes(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

/** Decodes strict base64, with padding and without other characters; undefined if it is anything else. */
export function decodeBase64(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, 'base64');
  // Node skips invalid characters, so the result is then shorter than the text implies.
  return base64.length % 4 === 0 && bytes.length === base64Bytes(base64) ? bytes : undefined;
}

/** Characters of base64 that are decoded at a time; a multiple of four. */
const PIECE = 2 ** 20;

/** Decodes strict base64 piece by piece, so that the whole is in memory only as text. Throws what `invalid` returns if it is anything else. */
export function* decodedPieces(base64: string, invalid: () => Error): Generator<Buffer> {
  for (let at = 0; at < base64.length; at += PIECE) {
    const piece = base64.slice(at, at + PIECE);
    const bytes = decodeBase64(piece);
    // Padding is at the end of the whole.
    if (!bytes || (at + PIECE < base64.length && piece.endsWith('='))) throw invalid();
    yield bytes;
  }
}
