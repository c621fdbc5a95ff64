import { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { unreadStream } from '../../net/unreadStream.ts';

/** Pieces of an answer; text is ASCII. A piece is overwritten once the next one is asked for. */
export type Pieces = AsyncGenerator<Buffer | string, void, void>;

/** Takes the first of the pieces, so that an error until then can still become the answer, and makes a body of them all. */
export async function startBody(pieces: Pieces): Promise<Readable> {
  return unreadStream(new BlockBody(await pieces.next(), pieces));
}

/**
 * Writes each piece to the client, and takes the next one when the connection has taken it, so that a slow client costs one buffer. Streams
 * of Node would hold pieces back, whose buffers could not be used again.
 */
class BlockBody extends Readable {
  readonly #first: IteratorResult<Buffer | string, void>;
  readonly #pieces: Pieces;
  /** Ends the wait for a write, because a connection that breaks may forget what was written to it. */
  #giveUp: ((error: Error) => void) | undefined;

  constructor(first: IteratorResult<Buffer | string, void>, pieces: Pieces) {
    // Only `pipe` starts it.
    super({ read: () => undefined });
    this.#first = first;
    this.#pieces = pieces;
  }

  override pipe<T extends NodeJS.WritableStream>(response: T, { end = true } = {}): T {
    if (!(response instanceof ServerResponse)) throw new TypeError('this body can only answer a request');
    this.#writeAll(response).then(
      () => {
        if (end) response.end();
        this.push(null);
        this.resume();
      },
      (error) => this.destroy(error),
    );
    return response;
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#giveUp?.(error ?? new Error('the client has disconnected'));
    // Closes the file. An error of it changes nothing for a client that is gone.
    this.#pieces.return().catch(() => undefined);
    done(error);
  }

  async #writeAll(response: ServerResponse): Promise<void> {
    for (let next = this.#first; !next.done; next = await this.#pieces.next())
      await this.#write(response, next.value);
  }

  #write(response: ServerResponse, piece: Buffer | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      response.write(piece, 'latin1', (error) => (error ? reject(error) : resolve()));
    });
  }
}
