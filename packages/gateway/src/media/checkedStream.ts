import { createHash } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';

/** What a stream must turn out to be. */
export interface ExpectedBytes {
  readonly bytes?: number | undefined;
  /** Hex SHA-256. */
  readonly sha256?: string | undefined;
}

export type Mismatch = 'length' | 'digest';

/**
 * The same bytes, of which the last piece is withheld until length and digest are known to be right: whoever reads other ones gets an
 * error, never a clean end.
 */
export function checkedStream(
  source: Readable,
  { bytes, sha256 }: ExpectedBytes,
  mismatch: (problem: Mismatch) => Error,
): Readable {
  const hash = sha256 === undefined ? undefined : createHash('sha256');
  let seen = 0;
  let withheld: Buffer | undefined;
  const checked = new Transform({
    transform(piece: Buffer, _encoding, done) {
      seen += piece.length;
      if (bytes !== undefined && seen > bytes) return done(mismatch('length'));
      hash?.update(piece);
      const ready = withheld;
      withheld = piece;
      done(null, ready);
    },
    flush(done) {
      if (bytes !== undefined && seen !== bytes) return done(mismatch('length'));
      if (hash && hash.digest('hex') !== sha256) return done(mismatch('digest'));
      done(null, withheld);
    },
  });
  // An error of either destroys the other; the reader hears of it from the stream it was given.
  pipeline(source, checked, () => undefined);
  return checked;
}

/** Length and hex SHA-256 of all that a stream brings. */
export async function measureStream(source: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of source) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
