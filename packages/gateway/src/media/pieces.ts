import type { Readable } from 'node:stream';
import { FileBytes } from './files/fileBytes.ts';

/**
 * The bytes of a stored object, in a buffer that is used again where that is possible: a piece is overwritten once the next one is asked
 * for.
 */
export const piecesOf = (source: Readable): AsyncGenerator<Buffer, void, void> =>
  source instanceof FileBytes ? source.blocks() : chunksOf(source);

async function* chunksOf(source: Readable): AsyncGenerator<Buffer, void, void> {
  yield* source;
}
