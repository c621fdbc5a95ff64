import type { Readable } from 'node:stream';

/**
 * Makes a stream safe to hand over: without a listener its error would end the process, and between the promise of a stream and its
 * reader there may be a turn of the event loop. Whoever reads it later still gets the error.
 */
export function unreadStream<T extends Readable>(stream: T): T {
  return stream.on('error', () => undefined);
}
