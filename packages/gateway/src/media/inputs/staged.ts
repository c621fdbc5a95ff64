import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { newId } from '../../tasks/ids.ts';
import type { Clock } from '../../time/clock.ts';
import { contentTypeOf } from '../key.ts';
import type { MediaStorage } from '../media.ts';
import type { StagedRow, StagedRows } from './rows.ts';

/** Bytes on their way into the media storage, whose format shows only once they are here. */
export interface Staged<Row extends StagedRow> {
  /** Where the bytes are, to be measured. */
  readonly path: string;
  readonly bytes: number;
  readonly createdAt: number;
  /** Takes the bytes in. */
  fill(pieces: AsyncIterable<Buffer>): Promise<void>;
  /** Stores the bytes durably, once `put` has written their row. Resolves with that row, which is still pending. */
  commit(format: string, facts?: Partial<Row>, put?: (row: Row) => Promise<void>): Promise<Row>;
  /** Removes the bytes and their row. If that fails, the sweep repeats it. */
  discard(): Promise<void>;
}

interface StagedParts<Row extends StagedRow> {
  readonly storage: MediaStorage;
  readonly store: StagedRows<Row>;
  readonly clock: Clock;
}

/** Begins to store bytes of a project. */
export async function stage<Row extends StagedRow>(
  { storage, store, clock }: StagedParts<Row>,
  kind: Row['kind'],
  projectId: string,
): Promise<Staged<Row>> {
  const id = newId();
  // The row first, so that the sweep finds what a crash leaves.
  let row = {
    id,
    projectId,
    kind,
    storageKey: `${kind}/${id}.bin`,
    contentType: 'application/octet-stream',
    state: 'pending',
    bytes: 0,
    sha256: '',
    createdAt: clock.now(),
  } as Row;
  await store.putMedia([row]);
  const write = await storage.write(row.storageKey);
  const digest = createHash('sha256');
  let bytes = 0;

  async function* counted(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      bytes += piece.length;
      digest.update(piece);
      yield piece;
    }
  }

  return {
    path: write.path,
    createdAt: row.createdAt,
    get bytes() {
      return bytes;
    },
    async fill(pieces) {
      await write.append(Readable.from(counted(pieces), { objectMode: false }), 0);
    },
    async commit(format, facts, put = (row) => store.putMedia([row])) {
      const storageKey = `${kind}/${id}.${format}`;
      const contentType = contentTypeOf(storageKey);
      row = { ...row, ...facts, storageKey, contentType, bytes, sha256: digest.digest('hex') };
      await put(row);
      await write.commit(storageKey);
      return row;
    },
    async discard() {
      await write.abandon().catch(() => undefined);
      await storage.remove(row.storageKey).catch(() => undefined);
      await store.removeMedia([id]).catch(() => undefined);
    },
  };
}
