/**
 * Bytes encoded at a time: a multiple of three, whose string V8 keeps among its short-lived objects. A longer one is a block of memory of its
 * own, and takes ten times as long.
 */
const STEP = 48 * 1024;
const OUT_BYTES = 256 * 1024;

/** Encodes bytes as base64. A piece is overwritten once the next one is asked for. */
export async function* base64Of(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const out = Buffer.allocUnsafeSlow(OUT_BYTES);
  /** Up to two bytes of a group of three that is not complete yet. */
  const rest = Buffer.allocUnsafe(3);
  let kept = 0;
  let filled = 0;
  function* encode(bytes: Buffer, from: number, to: number): Generator<Buffer, void, void> {
    if (filled + base64Length(to - from) > out.length) {
      yield out.subarray(0, filled);
      filled = 0;
    }
    filled += out.write(bytes.toString('base64', from, to), filled, 'latin1');
  }
  for await (const bytes of pieces) {
    let at = 0;
    if (kept > 0) {
      at = bytes.copy(rest, kept);
      kept += at;
      if (kept < 3) continue;
      yield* encode(rest, 0, 3);
    }
    const end = bytes.length - ((bytes.length - at) % 3);
    for (; at < end; at += STEP) yield* encode(bytes, at, Math.min(at + STEP, end));
    kept = bytes.copy(rest, 0, end);
  }
  if (kept > 0) yield* encode(rest, 0, kept);
  if (filled > 0) yield out.subarray(0, filled);
}

/** Length of the base64 encoding of `bytes` bytes. */
export const base64Length = (bytes: number): number => Math.ceil(bytes / 3) * 4;
