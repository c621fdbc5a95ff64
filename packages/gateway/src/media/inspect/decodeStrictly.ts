import { crc32, createInflate } from 'node:zlib';
import { AV_CODEC_ID_MJPEG, AV_LOG_FATAL, AVERROR_INVALIDDATA } from 'node-av/constants';
import { Codec, CodecContext, Dictionary, Frame, Log, Packet } from 'node-av/lib';
import type { ImageHeader } from './imageHeader.ts';

/**
 * Whether an image is complete to its last row. Decoders for display fill in missing rows and report no error, so they cannot
 * be used; only the WebP decoder fails on its own.
 */
export async function isIntact(bytes: Buffer, header: ImageHeader): Promise<boolean> {
  switch (header.contentType) {
    case 'image/png':
      return isIntactPng(bytes, header);
    case 'image/jpeg':
      return isIntactJpeg(bytes);
    case 'image/webp':
      return true;
  }
}

/** Lets FFmpeg stop at the first error. Images that it cannot decode (arithmetic coding) pass this check. */
async function isIntactJpeg(bytes: Buffer): Promise<boolean> {
  // The caller is told what is wrong with the image, so FFmpeg need not log it.
  Log.setLevel(AV_LOG_FATAL);
  using decoder = new CodecContext();
  decoder.allocContext3(Codec.findDecoder(AV_CODEC_ID_MJPEG));
  const strict = Dictionary.fromObject({ err_detect: 'bitstream+buffer+explode', threads: '1' });
  if ((await decoder.open2(null, strict)) < 0) return true;
  using packet = new Packet();
  packet.alloc();
  packet.data = bytes;
  using frame = new Frame();
  frame.alloc();
  if ((await decoder.sendPacket(packet)) === AVERROR_INVALIDDATA) return false;
  return (await decoder.receiveFrame(frame)) !== AVERROR_INVALIDDATA;
}

/** Samples per pixel, by colour type (PNG, section 11.2.1). */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Adam7 (section 8.2): per pass, the first pixel and the steps to the next one, horizontally and vertically. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Whether the checksums of all critical chunks match, and the compressed rows decode to the number of bytes that the header implies. */
function isIntactPng(bytes: Buffer, { width, height }: ImageHeader): Promise<boolean> {
  const data = pngData(bytes);
  if (!data) return Promise.resolve(false);
  const bits = bytes.readUInt8(24) * (SAMPLES[bytes.readUInt8(25)] ?? 0);
  const passes = bytes.readUInt8(28) === 0 ? [[0, 0, 1, 1] as const] : PASSES;
  let missing = 0;
  for (const [left, top, across, down] of passes) {
    const [columns, rows] = [Math.ceil((width - left) / across), Math.ceil((height - top) / down)];
    // Each row begins with a byte for its filter.
    if (columns > 0 && rows > 0) missing += rows * (1 + Math.ceil((columns * bits) / 8));
  }
  return new Promise((resolve) => {
    const inflate = createInflate();
    const end = (intact: boolean) => {
      inflate.destroy();
      resolve(intact);
    };
    inflate.on('data', (piece: Buffer) => {
      missing -= piece.length;
      if (missing <= 0) end(true);
    });
    inflate.on('error', () => end(false)).on('end', () => end(missing <= 0));
    for (const piece of data) inflate.write(piece);
    inflate.end();
  });
}

/** The compressed rows; undefined if a critical chunk (its name begins with a capital) is truncated or its checksum does not match. */
function pngData(bytes: Buffer): readonly Buffer[] | undefined {
  const data: Buffer[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length) return undefined;
    const name = bytes.toString('latin1', at + 4, at + 8);
    const isNeeded = /^[A-Z]/.test(name);
    if (isNeeded && crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) return undefined;
    if (name === 'IDAT') data.push(bytes.subarray(at + 8, end));
    if (name === 'IEND') return data;
    at = end + 4;
  }
  return undefined;
}
