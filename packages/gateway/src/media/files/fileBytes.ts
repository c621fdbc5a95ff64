import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type BytesCheck, createBytesCheck, type ExpectedBytes, type Mismatch } from '../checkedStream.ts';
import type { BlockBuffers } from './blockBuffers.ts';

/** Bytes of one piece when the file is read as an ordinary stream. */
const PIECE_BYTES = 64 * 1024;

interface FileBytesParts {
  readonly file: FileHandle;
  /** The first byte to read, and the one after the last. */
  readonly start: number;
  readonly end: number;
  readonly buffers: BlockBuffers;
  /** See `FileBytes.version`. */
  readonly version: string | undefined;
  /** That of now. */
  readonly versionNow: () => Promise<string | undefined>;
}

/**
 * The bytes of an open file, which is closed with the stream. `blocks` reads them into a buffer that is used again, for readers that are
 * done with a block before they take the next: a new buffer for each piece costs as much as sending it.
 */
export class FileBytes extends Readable {
  /** Changes with every change of the file. Undefined if the last change is too recent to tell it from the next. */
  readonly version: string | undefined;
  readonly #file: FileHandle;
  readonly #length: number;
  readonly #end: number;
  readonly #buffers: BlockBuffers;
  readonly #versionNow: () => Promise<string | undefined>;
  #changed: (() => Error) | undefined;
  #position: number;
  #check: BytesCheck | undefined;

  constructor({ file, start, end, buffers, version, versionNow }: FileBytesParts) {
    super({ highWaterMark: PIECE_BYTES });
    this.version = version;
    this.#file = file;
    this.#position = start;
    this.#end = Math.max(start, end);
    this.#length = this.#end - start;
    this.#buffers = buffers;
    this.#versionNow = versionNow;
  }

  /** Fails before the last piece unless length and digest are as expected. Calls `matched` if they are. */
  expect(expected: ExpectedBytes, mismatch: (problem: Mismatch) => Error, matched: () => void): void {
    if (expected.bytes !== undefined && expected.bytes !== this.#length) this.destroy(mismatch('length'));
    this.#check = createBytesCheck({ ...expected, bytes: this.#length }, mismatch, matched);
  }

  /** Fails before the last piece if the file was changed meanwhile. */
  expectUnchanged(changed: () => Error): void {
    this.#changed = changed;
  }

  /** One block after the other. A block is overwritten once the next one is asked for. */
  async *blocks(): AsyncGenerator<Buffer, void, void> {
    const buffer = this.#buffers.take(this.#length);
    try {
      for (;;) {
        if (this.destroyed) throw this.errored ?? new Error('the stream of a file was closed');
        const block = await this.#next(buffer);
        if (!block) break;
        yield block;
      }
      // Not after an error: something may still send the buffer.
      this.#buffers.giveBack(buffer);
    } finally {
      this.destroy();
    }
  }

  override _read(): void {
    this.#next(Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, this.#end - this.#position))).then(
      (piece) => this.push(piece ?? null),
      (error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Waits for a read under way.
    this.#file.close().then(
      () => done(error),
      (cause) => done(error ?? cause),
    );
  }

  /** Reads the next bytes. Undefined at the end; the last ones are returned only if all bytes are right. */
  async #next(buffer: Buffer): Promise<Buffer | undefined> {
    const wanted = Math.min(buffer.length, this.#end - this.#position);
    const { bytesRead } =
      wanted > 0 ? await this.#file.read(buffer, 0, wanted, this.#position) : { bytesRead: 0 };
    if (bytesRead === 0) {
      await this.#finish();
      return undefined;
    }
    const piece = buffer.subarray(0, bytesRead);
    this.#position += bytesRead;
    this.#check?.add(piece);
    if (this.#position === this.#end) await this.#finish();
    return piece;
  }

  async #finish(): Promise<void> {
    this.#check?.finish();
    this.#check = undefined;
    if (this.#changed && (await this.#versionNow()) !== this.version) throw this.#changed();
    this.#changed = undefined;
  }
}
