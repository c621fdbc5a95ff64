import { Readable } from 'node:stream';
import { unreadStream } from '../../net/unreadStream.ts';
import { OnetakeError } from '../../tasks/errors.ts';

/**
 * Passes a stream through. Fails with a 503 if the stream breaks off, or if no byte arrives for `idleMs` (milliseconds) while
 * the reader is waiting; a reader may pause for any time. Passes at most `limit` bytes: not every server respects the range.
 */
export function withIdleTimeout(body: Readable, idleMs: number, limit = Number.POSITIVE_INFINITY): Readable {
  let left = limit;
  let timer: NodeJS.Timeout | undefined;
  const waiting = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      stream.destroy(broken(`sent nothing for ${idleMs / 1000} seconds`));
    }, idleMs);
  };
  const stream = new Readable({
    read() {
      waiting();
      body.resume();
    },
    destroy(error, done) {
      clearTimeout(timer);
      body.destroy();
      done(error);
    },
  });
  let ended = false;
  function end(): void {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    stream.push(null);
  }
  body.pause();
  body.on('data', (piece: Buffer) => {
    if (ended) return;
    const wanted = piece.subarray(0, left);
    left -= wanted.length;
    const more = stream.push(wanted);
    if (wanted.length < piece.length) return end();
    if (more) return waiting();
    clearTimeout(timer);
    body.pause();
  });
  body.once('end', end);
  body.on('error', (error) => stream.destroy(broken('broke off', error)));
  body.once('close', () => {
    if (!ended) stream.destroy(broken('broke off'));
  });
  return unreadStream(stream);
}

const broken = (how: string, cause?: unknown): OnetakeError =>
  new OnetakeError(
    'storage_unavailable',
    503,
    `The gateway's object storage ${how}; see ONETAKE_S3_ENDPOINT and the network.`,
    { retryAfterSeconds: 30 },
    cause,
  );
