import type { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { Log } from '../observability/log.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { checkedStream, type Mismatch, measureStream } from './checkedStream.ts';
import { MissingObject } from './key.ts';
import type { MediaStat, MediaStorage } from './media.ts';

/** As much of a media row as says what its bytes must be. */
export interface StoredObject {
  readonly id: string;
  readonly storageKey: string;
  readonly state: 'pending' | 'present' | 'damaged';
  readonly bytes?: number;
  /** Hex SHA-256. */
  readonly sha256?: string;
}

export interface Damage {
  readonly problem: 'missing' | Mismatch;
  /** For the operator. */
  readonly detail: string;
}

/**
 * The one way to read what is stored. Bytes that are not those of the row are never served as right: length and digest are compared, and
 * what does not match is read once more in the background before it counts as damaged.
 */
export interface VerifiedMedia<Row extends StoredObject> {
  /** Length and time of the bytes. Throws a 502 where they are not those of the row. */
  stat(row: Row): Promise<MediaStat>;
  /**
   * All bytes, or `start` to `end`, both inclusive. A stream of all of them ends in an error where their digest is another, before the
   * last piece; a part is checked for its length, and makes the whole be verified in the background, once.
   */
  read(row: Row, range?: { start: number; end: number }): Promise<Readable>;
  /** Reads everything. Undefined: it is what it must be. Throws where the storage cannot tell. */
  verify(row: Row): Promise<Damage | undefined>;
  /** Ends what is read in the background. */
  close(): void;
}

interface VerifiedMediaParts<Row> {
  readonly storage: MediaStorage;
  /** Told of what has been read again, and is damaged. */
  readonly damaged: (row: Row, damage: Damage) => void;
  readonly log: Pick<Log, 'warn'>;
}

/** Objects read in the background at a time, and how many may wait for it: what is passed over is asked for again. */
const VERIFIED_AT_A_TIME = 2;
const MAX_WAITING = 100;
/** Objects that this process remembers as verified. */
const REMEMBERED = 20_000;

export function createVerifiedMedia<Row extends StoredObject>({
  storage,
  damaged,
  log,
}: VerifiedMediaParts<Row>): VerifiedMedia<Row> {
  /** By key: when the object that was verified had been written. */
  const verified = new LRUCache<string, number>({ max: REMEMBERED });
  const underWay = new Set<string>();
  const limit = pLimit(VERIFIED_AT_A_TIME);
  const stopping = new AbortController();

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
    const { bytes, sha256 } = await measureStream(source).finally(() =>
      stopping.signal.removeEventListener('abort', stop),
    );
    if (sha256 === row.sha256) {
      verified.set(row.storageKey, stat.modifiedAt);
      return undefined;
    }
    // An answer that was cut short says nothing about what is stored.
    if (bytes !== stat.bytes) throw new Error(`${bytes} of ${stat.bytes} bytes could be read`);
    return row.bytes === undefined || bytes === row.bytes
      ? { problem: 'digest', detail: `SHA-256 ${sha256} instead of ${row.sha256}` }
      : { problem: 'length', detail: `${bytes} bytes instead of ${row.bytes}` };
  }

  /** Once per object, whoever asks for it meanwhile. */
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

  /** What one reading found is looked at again: a storage may have answered with something else this once. */
  function suspect(row: Row, problem: Damage['problem']): OnetakeError {
    verified.delete(row.storageKey);
    verifyInBackground(row);
    return notWhole(problem);
  }

  return {
    verify,

    async stat(row) {
      if (row.state === 'damaged') throw notWhole('digest');
      const stat = await storage.stat(row.storageKey);
      if (!stat) throw suspect(row, 'missing');
      if (row.bytes !== undefined && stat.bytes !== row.bytes) throw suspect(row, 'length');
      const known = verified.get(row.storageKey);
      if (known !== undefined && known !== stat.modifiedAt) verified.delete(row.storageKey);
      return stat;
    },

    async read(row, range) {
      if (row.state === 'damaged') throw notWhole('digest');
      const isWhole = !range || (range.start === 0 && range.end + 1 === row.bytes);
      let source: Readable;
      try {
        source = await storage.read(row.storageKey, range);
      } catch (error) {
        throw error instanceof MissingObject ? suspect(row, 'missing') : error;
      }
      if (!isWhole && row.sha256 !== undefined && !verified.has(row.storageKey)) verifyInBackground(row);
      const expected = {
        bytes: range ? range.end - range.start + 1 : row.bytes,
        sha256: isWhole ? row.sha256 : undefined,
      };
      return checkedStream(source, expected, (problem) => suspect(row, problem));
    },

    close: () => stopping.abort(),
  };
}

function notWhole(problem: Damage['problem']): OnetakeError {
  const next =
    'It is fetched again where its provider still has it: try again in a minute, or submit the task again.';
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
