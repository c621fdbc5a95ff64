import type { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { type Moment, type MonotonicClock, msBetween, systemClock } from '../time/clock.ts';
import { checkedStream, type Mismatch, measureStream } from './checkedStream.ts';
import { FileBytes } from './files/fileBytes.ts';
import { MissingObject } from './key.ts';
import type { MediaStat, MediaStorage } from './media.ts';
import { piecesOf } from './pieces.ts';

/** The columns of a media row that say what its bytes must be. */
export interface StoredObject {
  readonly id: string;
  readonly kind?: string;
  readonly storageKey: string;
  readonly state: 'pending' | 'present' | 'damaged';
  readonly bytes?: number;
  /** Hex SHA-256. */
  readonly sha256?: string;
}

export interface Damage {
  readonly problem: 'missing' | Mismatch;
  /** What is wrong, for the operator. */
  readonly detail: string;
}

/**
 * The only way to read stored media. It compares length and digest with the media row, so wrong bytes are never served as
 * correct. An object that does not match is read once more in the background before it counts as damaged.
 */
export interface VerifiedMedia<Row extends StoredObject> {
  /** Length and modification time of the object. Throws a 502 if it does not match the row. */
  stat(row: Row): Promise<MediaStat>;
  /**
   * Reads all bytes, or `start` to `end`, both inclusive. A stream of all bytes fails before its last chunk if the digest
   * differs; a local file that had it within the last hour and was not changed since is not hashed again. A range is only checked for
   * its length; it starts one verification of the whole object in the background.
   */
  read(row: Row, range?: { start: number; end: number }): Promise<Readable>;
  /** As `stat`, for bytes that another server sends. It starts one verification of the whole object in the background, like a range. */
  passOn(row: Row): Promise<MediaStat>;
  /** Reads the whole object. Resolves with undefined if it is intact. Throws if the storage cannot be read. */
  verify(row: Row): Promise<Damage | undefined>;
  /** Stops the reads in the background. */
  close(): void;
}

interface VerifiedMediaParts<Row> {
  readonly storage: MediaStorage;
  /** Called for an object that was still damaged when it was read again. */
  readonly damaged: (row: Row, damage: Damage) => void;
  readonly log: Pick<Log, 'warn'>;
  readonly clock?: MonotonicClock;
}

/** Concurrent reads in the background, and the length of their queue. A skipped object is verified after a later request. */
const VERIFIED_AT_A_TIME = 2;
const MAX_WAITING = 100;
/** The size of the cache of verified objects. */
const REMEMBERED = 20_000;
/** How long the digest of an unchanged file counts as checked: a disk loses bytes without a trace, though seldom. Milliseconds. */
const TRUSTED_MS = 3_600_000;

export function createVerifiedMedia<Row extends StoredObject>({
  storage,
  damaged,
  log,
  clock = systemClock,
}: VerifiedMediaParts<Row>): VerifiedMedia<Row> {
  /** By key: the modification time of the object that was verified. */
  const verified = new LRUCache<string, number>({ max: REMEMBERED });
  /** By key: the version of the file that had the right digest, and when. */
  const trusted = new LRUCache<string, { readonly version: string; readonly at: Moment }>({
    max: REMEMBERED,
  });
  const underWay = new Set<string>();
  const limit = pLimit(VERIFIED_AT_A_TIME);
  const stopping = new AbortController();

  function isTrusted({ storageKey }: Row, source: Readable): boolean {
    const known = source instanceof FileBytes ? trusted.get(storageKey) : undefined;
    return (
      known !== undefined &&
      known.version === (source as FileBytes).version &&
      msBetween(known.at, clock.monotonic()) < TRUSTED_MS
    );
  }

  function trust({ storageKey }: Row, source: Readable): void {
    if (source instanceof FileBytes && source.version !== undefined)
      trusted.set(storageKey, { version: source.version, at: clock.monotonic() });
  }

  async function verify(row: Row): Promise<Damage | undefined> {
    const stat = await storage.stat(row.storageKey);
    if (!stat) return { problem: 'missing', detail: 'there is no such object' };
    if (row.sha256 === undefined) {
      if (row.bytes === undefined || row.bytes === stat.bytes) return undefined;
      return { problem: 'length', detail: `${stat.bytes} bytes instead of ${row.bytes}` };
    }
    const source = await storage.read(row.storageKey);
    const stop = () => source.destroy(new Error('the gateway stops'));
    stopping.signal.addEventListener('abort', stop);
    if (stopping.signal.aborted) stop();
    const { bytes, sha256 } = await measureStream(piecesOf(source)).finally(() =>
      stopping.signal.removeEventListener('abort', stop),
    );
    if (sha256 === row.sha256) {
      verified.set(row.storageKey, stat.modifiedAt);
      trust(row, source);
      return undefined;
    }
    // A truncated response does not mean that the stored object is damaged.
    if (bytes !== stat.bytes) throw new Error(`${bytes} of ${stat.bytes} bytes could be read`);
    return row.bytes === undefined || bytes === row.bytes
      ? { problem: 'digest', detail: `SHA-256 ${sha256} instead of ${row.sha256}` }
      : { problem: 'length', detail: `${bytes} bytes instead of ${row.bytes}` };
  }

  /** Verifies an object once, however many requests ask for it meanwhile. */
  function verifyInBackground(row: Row): void {
    const key = row.storageKey;
    if (stopping.signal.aborted || underWay.has(key) || limit.pendingCount >= MAX_WAITING) return;
    underWay.add(key);
    void limit(async () => {
      try {
        const damage = stopping.signal.aborted ? undefined : await verify(row);
        if (damage) damaged(row, damage);
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.warn({ event: 'media.unverified', key, err: error }, 'a stored file could not be verified');
      } finally {
        underWay.delete(key);
      }
    });
  }

  /** Reads a damaged object a second time, because a storage may return wrong bytes once. */
  function suspect(row: Row, problem: Damage['problem']): OnetakeError {
    verified.delete(row.storageKey);
    trusted.delete(row.storageKey);
    verifyInBackground(row);
    return notWhole(row, problem);
  }

  async function statOf(row: Row): Promise<MediaStat> {
    if (row.state === 'damaged') throw notWhole(row, 'digest');
    const stat = await storage.stat(row.storageKey);
    if (!stat) throw suspect(row, 'missing');
    if (row.bytes !== undefined && stat.bytes !== row.bytes) throw suspect(row, 'length');
    const known = verified.get(row.storageKey);
    if (known !== undefined && known !== stat.modifiedAt) verified.delete(row.storageKey);
    return stat;
  }

  return {
    verify,
    stat: statOf,

    async passOn(row) {
      const stat = await statOf(row);
      if (row.sha256 !== undefined && !verified.has(row.storageKey)) verifyInBackground(row);
      return stat;
    },

    async read(row, range) {
      if (row.state === 'damaged') throw notWhole(row, 'digest');
      const isWhole = !range || (range.start === 0 && range.end + 1 === row.bytes);
      let source: Readable;
      try {
        source = await storage.read(row.storageKey, range);
      } catch (error) {
        throw error instanceof MissingObject ? suspect(row, 'missing') : error;
      }
      const isKnown = isTrusted(row, source);
      if (!isWhole && row.sha256 !== undefined && !isKnown && !verified.has(row.storageKey))
        verifyInBackground(row);
      const expected = {
        bytes: range ? range.end - range.start + 1 : row.bytes,
        sha256: isWhole && !isKnown ? row.sha256 : undefined,
      };
      const mismatch = (problem: Mismatch) => suspect(row, problem);
      if (!(source instanceof FileBytes)) return checkedStream(source, expected, mismatch);
      source.expect(expected, mismatch, () => trust(row, source));
      if (isWhole && isKnown) source.expectUnchanged(() => mismatch('digest'));
      return source;
    },

    close: () => stopping.abort(),
  };
}

function notWhole({ kind }: StoredObject, problem: Damage['problem']): OnetakeError {
  const next =
    kind === 'file'
      ? 'Upload it again.'
      : 'It is fetched again where its provider still has it: try again in a minute, or submit the task again.';
  return problem === 'missing'
    ? new OnetakeError(
        'media_missing',
        502,
        `The stored file is missing from the gateway's storage. ${next}`,
        {
          retryAfterSeconds: 60,
        },
      )
    : new OnetakeError('media_damaged', 502, `The stored file is damaged. ${next}`, {
        retryAfterSeconds: 60,
      });
}
