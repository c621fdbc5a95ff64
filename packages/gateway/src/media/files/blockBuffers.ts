/** Large enough that reading and sending cost little per call, small enough for the processor's cache and for hundreds at once. */
const BLOCK_BYTES = 256 * 1024;
/** Buffers that wait for their next use. */
const MAX_IDLE = 16;

/** Buffers for reading files block by block, which are used again and again. */
export interface BlockBuffers {
  /** A buffer for reading so many bytes, all at once or in several blocks. */
  take(bytes: number): Buffer;
  /** For a buffer that nothing reads any more. */
  giveBack(buffer: Buffer): void;
}

export function createBlockBuffers(): BlockBuffers {
  const idle: Buffer[] = [];
  return {
    take: (bytes) =>
      bytes < BLOCK_BYTES
        ? Buffer.allocUnsafe(Math.max(bytes, 1))
        : (idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)),
    giveBack(buffer) {
      if (buffer.length === BLOCK_BYTES && idle.length < MAX_IDLE) idle.push(buffer);
    },
  };
}
