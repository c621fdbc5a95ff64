import type { FileHandle } from 'node:fs/promises';

/** Bytes of the header of a box with a 64-bit length (ISO/IEC 14496-12, 4.2). */
const HEADER_BYTES = 16;

/** Boxes that an MP4 or QuickTime file may begin with. */
const FIRST_BOXES = ['ftyp', 'styp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot'];

/** Whether an MP4 is complete, according to its top-level boxes. */
export type BoxVerdict = 'whole' | 'truncated' | 'not_mp4';

/**
 * Walks the top-level boxes of an MP4 with a few small reads, whatever the length of the file. A file is truncated if it ends
 * inside a box, or has media data but no index (`moov`).
 */
export async function checkMp4Boxes(file: FileHandle): Promise<BoxVerdict> {
  const { size } = await file.stat();
  const header = Buffer.alloc(HEADER_BYTES);
  const types = new Set<string>();
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, offset);
    const type = header.toString('latin1', 4, 8);
    if (offset === 0 && !FIRST_BOXES.includes(type)) return 'not_mp4';
    const length = boxLength(header, bytesRead, size - offset);
    if (length === undefined || offset + length > size) return 'truncated';
    types.add(type);
    offset += length;
  }
  return types.has('moov') ? 'whole' : 'truncated';
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
