import type { FileHandle } from 'node:fs/promises';

/** Bytes of the header of a box with a 64-bit length (ISO/IEC 14496-12, 4.2). */
const HEADER_BYTES = 16;

/** Boxes that an MP4 or QuickTime file may begin with. */
const FIRST_BOXES = ['ftyp', 'styp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot'];

/** Whether an MP4 is complete, according to its top-level boxes. */
export type BoxVerdict = 'whole' | 'truncated' | 'not_mp4';

/** The extended type of the box that holds content credentials (C2PA 2.x, "Embedding manifests into BMFF-based assets"). */
const C2PA = 'd8fec3d61b0e483c92975828877ec481';
/** A box with hashes alone, for fragments, has the same type and this purpose. */
const HASHES_ONLY = 'merkle';
/** Extended type, version and flags, and enough of the purpose, which a zero ends. */
const UUID_BYTES = 16 + 4 + HASHES_ONLY.length + 1;

export interface BoxCheck {
  readonly verdict: BoxVerdict;
  /** Whether there are content credentials. Nothing is said of whether they are valid. */
  readonly hasCredentials: boolean;
}

/**
 * Walks the top-level boxes of an MP4 with a few small reads, whatever the length of the file. A file is truncated if it ends
 * inside a box, or has media data but no index (`moov`).
 */
export async function checkMp4Boxes(file: FileHandle): Promise<BoxCheck> {
  const { size } = await file.stat();
  const header = Buffer.alloc(HEADER_BYTES);
  const types = new Set<string>();
  let hasCredentials = false;
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, offset);
    const type = header.toString('latin1', 4, 8);
    if (offset === 0 && !FIRST_BOXES.includes(type)) return { verdict: 'not_mp4', hasCredentials };
    const length = boxLength(header, bytesRead, size - offset);
    if (length === undefined || offset + length > size) {
      return { verdict: 'truncated', hasCredentials };
    }
    types.add(type);
    if (type === 'uuid') hasCredentials ||= await isC2pa(file, offset + headerBytes(header));
    offset += length;
  }
  return { verdict: types.has('moov') ? 'whole' : 'truncated', hasCredentials };
}

const headerBytes = (header: Buffer): number => (header.readUInt32BE(0) === 1 ? HEADER_BYTES : 8);

/** Whether the content of a `uuid` box, at this offset, is that of content credentials. */
async function isC2pa(file: FileHandle, offset: number): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(UUID_BYTES), 0, UUID_BYTES, offset);
  const purpose = buffer.toString('latin1', 20, bytesRead);
  return buffer.toString('hex', 0, 16) === C2PA && !purpose.startsWith(`${HASHES_ONLY}\0`);
}

function boxLength(header: Buffer, available: number, rest: number): number | undefined {
  if (available < 8) return undefined;
  const short = header.readUInt32BE(0);
  // 0: the box reaches to the end of the file; 1: the length is the 64-bit number after the type.
  if (short === 0) return rest;
  if (short !== 1) return short >= 8 ? short : undefined;
  if (available < HEADER_BYTES) return undefined;
  const long = Number(header.readBigUInt64BE(8));
  return long >= HEADER_BYTES ? long : undefined;
}
