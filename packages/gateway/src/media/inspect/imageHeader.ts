import type { ImageFormat } from '../../catalogue/model.ts';

/** The image types that a request may carry. */
export type ImageType = `image/${ImageFormat}`;

export interface ImageHeader {
  readonly contentType: ImageType;
  /** Pixels, as the file declares them. */
  readonly width: number;
  readonly height: number;
  /** The offset in bytes at which the metadata before the picture ends, with any thumbnails. */
  readonly end: number;
}

/** Reads type and size from the first bytes of an image, without decoding it; undefined if it is not a supported image. */
export function readImageHeader(bytes: Buffer): ImageHeader | undefined {
  return readPng(bytes) ?? readJpeg(bytes) ?? readWebp(bytes);
}

const PNG_SIGNATURE = '89504e470d0a1a0a';

function readPng(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 24 || bytes.toString('hex', 0, 8) !== PNG_SIGNATURE) return undefined;
  if (bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return { contentType: 'image/png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), end: 24 };
}

/** Start-of-frame markers (ITU T.81, table B.1): C0-CF except DHT (C4), JPG (C8) and DAC (CC). */
const isFrameMarker = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

function readJpeg(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  let offset = 2;
  while (offset + 9 <= bytes.length && bytes[offset] === 0xff) {
    const marker = bytes.readUInt8(offset + 1);
    if (isFrameMarker(marker)) {
      const height = bytes.readUInt16BE(offset + 5);
      return { contentType: 'image/jpeg', width: bytes.readUInt16BE(offset + 7), height, end: offset + 9 };
    }
    // FF may be repeated as padding; every other segment carries its length.
    offset += marker === 0xff ? 1 : 2 + bytes.readUInt16BE(offset + 2);
  }
  return undefined;
}

function readWebp(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 30 || bytes.toString('latin1', 0, 4) !== 'RIFF') return undefined;
  if (bytes.toString('latin1', 8, 12) !== 'WEBP') return undefined;
  const size = (width: number, height: number): ImageHeader => ({
    contentType: 'image/webp',
    width,
    height,
    end: 30,
  });
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return size(bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff);
    case 'VP8L': {
      const packed = bytes.readUInt32LE(21);
      return size((packed & 0x3fff) + 1, ((packed >>> 14) & 0x3fff) + 1);
    }
    case 'VP8X':
      return size(bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1);
    default:
      return undefined;
  }
}
