import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { createCanvas } from '@napi-rs/canvas';
import { afterAll, describe, expect, it } from 'vitest';
import { isIntact } from '../../../src/media/inspect/decodeStrictly.ts';
import { BadImage, inspectImage } from '../../../src/media/inspect/image.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

async function inspect(bytes: Buffer) {
  const path = join(await tempFolder(), 'image');
  await writeFile(path, bytes);
  return inspectImage(native, path);
}

async function problemOf(bytes: Buffer): Promise<string> {
  const error: unknown = await inspect(bytes).catch((error: unknown) => error);
  if (error instanceof BadImage) return error.problem;
  throw error instanceof Error ? error : new Error(`taken for an image: ${JSON.stringify(error)}`);
}

function draw(width = 300, height = 200) {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  const sweep = context.createLinearGradient(0, 0, width, height);
  for (let stop = 0; stop <= 10; stop++) sweep.addColorStop(stop / 10, `hsl(${stop * 97} 80% 50%)`);
  context.fillStyle = sweep;
  context.fillRect(0, 0, width, height);
  return canvas;
}

const PNG = draw().toBuffer('image/png');
const JPEG = draw().toBuffer('image/jpeg');
const WEBP = draw().toBuffer('image/webp', 80);
const LOSSLESS_WEBP = draw().toBuffer('image/webp', 100);

/** A JPEG with an APP1 segment (EXIF) of this content after its first marker. */
function withExif(jpeg: Buffer, tiff: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, content, jpeg.subarray(2)]);
}

/** A WebP with a chunk of metadata at its end. */
function withMetadata(webp: Buffer): Buffer {
  const metadata = Buffer.from('XMP \x04\0\0\0<x/>', 'latin1');
  const bytes = Buffer.concat([webp, metadata]);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  return bytes;
}

/** EXIF, big-endian, of one tag: 0x0112, orientation. */
function orientation(value: number): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write('MM\0*', 0, 'latin1');
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(1, 8);
  tiff.writeUInt16BE(0x0112, 10);
  tiff.writeUInt16BE(3, 12);
  tiff.writeUInt32BE(1, 14);
  tiff.writeUInt16BE(value, 18);
  return tiff;
}

/** The image with other dimensions in its header. */
function claiming(image: Buffer, width: number, height: number): Buffer {
  const bytes = Buffer.from(image);
  if (image === PNG) {
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
  } else if (image === JPEG) {
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
    bytes.writeUInt16BE(height, frame + 5);
    bytes.writeUInt16BE(width, frame + 7);
  } else {
    bytes.writeUInt16LE(width, 26);
    bytes.writeUInt16LE(height, 28);
  }
  return bytes;
}

describe('an image is recognised by its content', () => {
  it.each<[string, Buffer, string]>([
    ['a PNG', PNG, 'image/png'],
    ['a JPEG', JPEG, 'image/jpeg'],
    ['a WebP', WEBP, 'image/webp'],
    ['a lossless WebP', LOSSLESS_WEBP, 'image/webp'],
    ['a WebP with metadata behind the picture', withMetadata(WEBP), 'image/webp'],
    ['a WebP with bytes behind its end', Buffer.concat([WEBP, Buffer.alloc(500, 1)]), 'image/webp'],
    ['a PNG with bytes behind its end', Buffer.concat([PNG, Buffer.alloc(500, 1)]), 'image/png'],
    ['a JPEG with bytes behind its end', Buffer.concat([JPEG, Buffer.alloc(500, 1)]), 'image/jpeg'],
    ['a JPEG with EXIF', withExif(JPEG, orientation(1)), 'image/jpeg'],
  ])('%s', async (_what, bytes, contentType) => {
    expect(await inspect(bytes)).toEqual({ contentType, width: 300, height: 200 });
  });

  it('a rotated photo has the size in which it is shown', async () => {
    expect(await inspect(withExif(JPEG, orientation(6)))).toMatchObject({ width: 200, height: 300 });
  });
});

/** A chunk of a PNG, whose checksum may be wrong. */
function chunk(name: string, data: Buffer, { isWrong = false } = {}): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(isWrong ? crc32(body) ^ 1 : crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** A PNG of three bytes per pixel, whose compressed rows were changed by `change`. */
function png(change: (rows: Buffer) => Buffer, { interlaced = false, size = 16 } = {}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, interlaced ? 1 : 0], 8);
  // Adam7: the columns and rows of its seven passes over 16 by 16 pixels.
  const passes =
    interlaced && size === 16
      ? [
          [2, 2],
          [2, 2],
          [4, 2],
          [4, 4],
          [8, 4],
          [8, 8],
          [16, 8],
        ]
      : [[size, size]];
  const bytes = passes.reduce((sum, [columns = 0, rows = 0]) => sum + rows * (1 + 3 * columns), 0);
  return Buffer.concat([
    PNG.subarray(0, 8),
    chunk('IHDR', header),
    chunk('IDAT', change(Buffer.alloc(bytes))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('a PNG is decoded to its last row', () => {
  it.each([false, true])('also if it is interlaced: %s', async (interlaced) => {
    expect(await inspect(png(deflateSync, { interlaced }))).toMatchObject({ width: 16, height: 16 });
    const short = png((rows) => deflateSync(rows.subarray(0, -1)), { interlaced });
    expect(await problemOf(short)).toBe('damaged');
  });

  it('and is damaged if its compressed rows break off, although every checksum of the file is right', async () => {
    expect(await problemOf(png((rows) => deflateSync(rows).subarray(0, -9)))).toBe('damaged');
  });

  it('and may have one pixel, for which six passes of Adam7 have no rows', async () => {
    expect(await inspect(png(deflateSync, { interlaced: true, size: 1 }))).toMatchObject({ width: 1 });
    const short = png((rows) => deflateSync(rows.subarray(0, -1)), { interlaced: true, size: 1 });
    expect(await problemOf(short)).toBe('damaged');
  });

  it('and may have a comment that is damaged', async () => {
    const note = chunk('tEXt', Buffer.from('Comment\0a boat'), { isWrong: true });
    expect(await inspect(Buffer.concat([PNG.subarray(0, 33), note, PNG.subarray(33)]))).toMatchObject({
      width: 300,
    });
  });

  it('and is damaged if the checksum over all of them is wrong', async () => {
    const wrong = png((rows) => {
      const packed = deflateSync(rows);
      packed.writeUInt8(packed.readUInt8(packed.length - 1) ^ 1, packed.length - 1);
      return packed;
    });
    expect(await problemOf(wrong)).toBe('damaged');
  });

  it('and may have extra data', async () => {
    const more = png((rows) => deflateSync(Buffer.concat([rows, Buffer.alloc(99)])));
    expect(await inspect(more)).toMatchObject({ width: 16 });
  });
});

it('is judged without an error, however its chunks are damaged', async () => {
  const header = { contentType: 'image/png', width: 300, height: 200, end: 24 } as const;
  expect(await isIntact(PNG, header)).toBe(true);
  // The checksum of the header, the pixels and their checksum, and the end with its checksum.
  const pixels = PNG.indexOf('IDAT') + 20;
  for (const at of [29, pixels, PNG.length - 13, PNG.length - 8, PNG.length - 1]) {
    const bytes = Buffer.from(PNG);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    expect([at, await isIntact(bytes, header)]).toEqual([at, false]);
  }
  for (const length of [24, 33, 60, PNG.length - 12, PNG.length - 1]) {
    expect([length, await isIntact(PNG.subarray(0, length), header)]).toEqual([length, false]);
  }
});

/** With one bit in the middle inverted. */
function flipped(image: Buffer): Buffer {
  const bytes = Buffer.from(image);
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  return bytes;
}

describe('damaged images are refused', () => {
  const END_OF_JPEG = Buffer.from([0xff, 0xd9]);
  const cut = (bytes: Buffer, part: number) => bytes.subarray(0, Math.floor(bytes.length * part));
  const thumbnail = draw(30, 20).toBuffer('image/jpeg');
  it.each<[string, Buffer]>([
    ['a PNG cut short', cut(PNG, 0.7)],
    ['a PNG without its last byte', PNG.subarray(0, -9)],
    ['a PNG with damaged pixels', Buffer.from(PNG).fill(0x55, 60, 300)],
    ['a PNG with one other bit', flipped(PNG)],
    ['a PNG cut in the middle, with its end', Buffer.concat([cut(PNG, 0.5), PNG.subarray(-12)])],
    ['a JPEG cut short', cut(JPEG, 0.7)],
    ['a JPEG without its end marker', JPEG.subarray(0, -2)],
    ['a JPEG cut in the middle, with its end', Buffer.concat([cut(JPEG, 0.5), END_OF_JPEG])],
    ['a JPEG without its last rows, with its end', Buffer.concat([cut(JPEG, 0.97), END_OF_JPEG])],
    ['a JPEG with a thumbnail, cut short', cut(withExif(JPEG, thumbnail), 0.8)],
    ['a WebP without the last byte of its metadata', withMetadata(WEBP).subarray(0, -1)],
    ['a WebP cut short', cut(WEBP, 0.7)],
    ['a lossless WebP cut short', cut(LOSSLESS_WEBP, 0.7)],
  ])('%s', async (_what, bytes) => {
    expect(await problemOf(bytes)).toBe('damaged');
  });
});

describe('images above 50 megapixels are refused by their declared size, before they are decoded', () => {
  it.each<[string, Buffer]>([
    ['PNG', PNG],
    ['JPEG', JPEG],
    ['WebP', WEBP],
  ])('%s', async (_what, image) => {
    expect(await problemOf(claiming(image, 10_000, 5001))).toBe('too_many_pixels');
  });

  it.each<[string, Buffer]>([
    ['PNG', PNG],
    ['JPEG', JPEG],
  ])('but not images of exactly that size: %s', async (_what, image) => {
    // They do not really have that many.
    expect(await problemOf(claiming(image, 10_000, 5000))).toBe('damaged');
  });

  it('a PNG of the largest possible size', async () => {
    expect(await problemOf(claiming(PNG, 0xffff_ffff, 0xffff_ffff))).toBe('too_many_pixels');
  });
});

describe('other files are refused', () => {
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['a drawing in SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['a GIF', Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')],
    ['a bitmap', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)])],
    ['only the signature of a PNG', PNG.subarray(0, 8)],
    ['only the first marker of a JPEG', JPEG.subarray(0, 20)],
    ['only the signature of a WebP', WEBP.subarray(0, 16)],
    [
      'a sound file in the container of WebP',
      Buffer.from(`RIFF\x24\0\0\0WAVEfmt ${'\0'.repeat(30)}`, 'latin1'),
    ],
    ['a PNG without columns', claiming(PNG, 0, 200)],
    ['a PNG without rows', claiming(PNG, 300, 0)],
    ['a JPEG without pixels', claiming(JPEG, 300, 0)],
  ])('%s', async (_what, bytes) => {
    expect(await problemOf(bytes)).toBe('not_image');
  });
});

it('an image that cannot be decoded does not affect the next one', async () => {
  for (let at = 0; at < JPEG.length; at += 211) {
    const damaged = Buffer.from(JPEG);
    damaged.fill(0xff, at, at + 16);
    const verdict: unknown = await inspect(damaged).catch((error: unknown) => error);
    if (verdict instanceof Error) expect(verdict).toBeInstanceOf(BadImage);
  }
  expect(await inspect(PNG)).toMatchObject({ width: 300 });
});
