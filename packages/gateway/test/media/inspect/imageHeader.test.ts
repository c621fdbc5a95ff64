import { describe, expect, it } from 'vitest';
import { readImageHeader } from '../../../src/media/inspect/imageHeader.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const PNG = Buffer.concat([
  hex('89504e470d0a1a0a 0000000d'),
  Buffer.from('IHDR', 'latin1'),
  hex('00010203 00040506'),
]);

/** A start-of-frame segment, 5 pixels wide and 3 high. */
const frame = (marker: string) => hex(`ff${marker} 000b 08 0003 0005`);
const SOI = hex('ffd8');
const APP0 = hex('ffe0 0004 0000');
const jpeg = (...segments: Buffer[]) => Buffer.concat([SOI, ...segments]);

function webp(kind: string, from: number, numbers: string): Buffer {
  const bytes = Buffer.alloc(30);
  bytes.write(`RIFF\0\0\0\0WEBP${kind}`, 'latin1');
  hex(numbers).copy(bytes, from);
  return bytes;
}

describe('the header of an image has type and size, and its end is found', () => {
  it.each<[string, Buffer, object]>([
    ['PNG', PNG, { contentType: 'image/png', width: 0x010203, height: 0x040506, end: 24 }],
    ['JPEG', jpeg(frame('c0')), { contentType: 'image/jpeg', width: 5, height: 3, end: 11 }],
    ['JPEG with a segment before', jpeg(APP0, frame('c2')), { width: 5, height: 3, end: 17 }],
    ['JPEG with padding', jpeg(hex('ffff'), frame('cf')), { width: 5, height: 3, end: 13 }],
    [
      'WebP, lossy, where two bits are no part of a number',
      webp('VP8 ', 26, '05c0 0340'),
      { contentType: 'image/webp', width: 5, height: 3, end: 30 },
    ],
    // 14 bits each, one less than the size: 0x1234 and 0x0567.
    ['WebP, lossless', webp('VP8L', 21, '34d259c1'), { width: 0x1235, height: 0x0568 }],
    ['WebP, extended', webp('VP8X', 24, '030201 060504'), { width: 0x010204, height: 0x040507 }],
  ])('%s', (_what, bytes, header) => {
    expect(readImageHeader(bytes)).toMatchObject(header);
  });

  it.each(['c1', 'c3', 'c5', 'c6', 'c7', 'c9', 'ca', 'cb', 'cd', 'ce'])('JPEG of frame %s', (marker) => {
    expect(readImageHeader(jpeg(frame(marker)))).toMatchObject({ width: 5, height: 3 });
  });

  it.each(['bf', 'c4', 'c8', 'cc', 'd0'])('JPEG: segment %s is no frame', (marker) => {
    expect(readImageHeader(jpeg(frame(marker)))).toBeUndefined();
    const behind = jpeg(Buffer.concat([frame(marker), hex('000000 00')]), frame('c0'));
    expect(readImageHeader(behind)).toMatchObject({ width: 5, height: 3, end: 24 });
  });

  const changed = (bytes: Buffer, at: number, byte: number) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(byte, at);
    return copy;
  };
  const VP8 = webp('VP8 ', 26, '0500 0300');
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a PNG of 23 bytes', PNG.subarray(0, 23)],
    ['another signature', changed(PNG, 7, 0)],
    ['a PNG that begins with another chunk', changed(PNG, 12, 0)],
    ['only the marker of a JPEG', SOI],
    ['a JPEG that ends in its frame', jpeg(frame('c0')).subarray(0, -1)],
    ['another marker', changed(jpeg(frame('c0')), 1, 0xd9)],
    ['a JPEG with something else between its segments', jpeg(APP0, hex('00'), frame('c0'))],
    ['a WebP of 29 bytes', VP8.subarray(0, 29)],
    ['another container', changed(VP8, 0, 0x58)],
    ['another format in it', changed(VP8, 8, 0x58)],
    ['a WebP of an unknown kind', changed(VP8, 15, 0x41)],
  ])('and is not found in %s', (_what, bytes) => {
    expect(readImageHeader(bytes)).toBeUndefined();
  });
});
