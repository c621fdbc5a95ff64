import { createHash } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';
import { unreadStream } from '../net/unreadStream.ts';

/** The length and digest that a stream must have. */
export interface ExpectedBytes {
  readonly bytes?: number | undefined;
  /** Hex SHA-256. */
  readonly sha256?: string | undefined;
}

export type Mismatch = 'length' | 'digest';

/** Checks bytes piece by piece. */
export interface BytesCheck {
  /** Throws if there are more bytes than expected. */
  add(piece: Buffer): void;
  /** Throws unless the bytes are those that were expected. */
  finish(): void;
}

/** `matched` is called once all bytes were found to have the expected digest. */
export function createBytesCheck(
  { bytes, sha256 }: ExpectedBytes,
  mismatch: (problem: Mismatch) => Error,
  matched?: () => void,
): BytesCheck {
  const hash = sha256 === undefined ? undefined : createHash('sha256');
  let seen = 0;
  return {
    add(piece) {
      seen += piece.length;
      if (bytes !== undefined && seen > bytes) throw mismatch('length');
      hash?.update(piece);
    },
    finish() {
      if (bytes !== undefined && seen !== bytes) throw mismatch('length');
      if (!hash) return;
      if (hash.digest('hex') !== sha256) throw mismatch('digest');
      matched?.();
    },
  };
}

/**
 * Passes a stream through and checks its length and digest. The last chunk is held back until both match, so a reader of
 * damaged bytes gets an error and never a clean end.
 */
export function checkedStream(
  source: Readable,
  expected: ExpectedBytes,
  mismatch: (problem: Mismatch) => Error,
): Readable {
  const check = createBytesCheck(expected, mismatch);
  let withheld: Buffer | undefined;
  const checked = new Transform({
    transform(piece: Buffer, _encoding, done) {
      settle(done, () => {
        check.add(piece);
        const ready = withheld;
        withheld = piece;
        return ready;
      });
    },
    flush(done) {
      settle(done, () => {
        check.finish();
        return withheld;
      });
    },
  });
  // An error in either stream destroys the other. The reader sees it on the stream that it was given.
  pipeline(source, checked, () => undefined);
  return unreadStream(checked);
}

function settle(done: (error: Error | null, piece?: Buffer) => void, make: () => Buffer | undefined): void {
  let piece: Buffer | undefined;
  try {
    piece = make();
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null, piece);
}

/** Reads a stream to its end and returns its length and hex SHA-256. */
export async function measureStream(
  source: AsyncIterable<Buffer>,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of source) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
