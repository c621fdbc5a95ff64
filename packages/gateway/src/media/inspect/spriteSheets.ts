import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { NativePool } from '../../native/pool.ts';
import { createFairLimit } from '../../net/fairLimit.ts';
import type { MediaStorage } from '../media.ts';
import type { SpriteSheetInput } from './spriteSheet.job.ts';

/**
 * Makes sprite sheets of stored videos: a JPEG of twenty frames at equal distances, in five columns, each at most 320 pixels wide. Tenants
 * take turns. Rejects with the reason of the signal if it is aborted before the turn comes.
 */
export type SpriteSheets = (
  video: { readonly storageKey: string },
  tenant: string,
  signal: AbortSignal,
) => Promise<Buffer>;

const JOB = new URL('./spriteSheet.job.ts', import.meta.url);
/** Decodes the whole video. */
const TIMEOUT_MS = 120_000;
/** Size of the cache. A sheet takes about a tenth of a megabyte. Bytes. */
const CACHE_BYTES = 8 * 2 ** 20;

interface SpriteSheetParts {
  readonly native: NativePool;
  readonly storage: Pick<MediaStorage, 'withLocalFile'>;
}

/** Sheets are made when they are asked for, one after the other, because few are, and finished videos wait for the same children. */
export function createSpriteSheets({ native, storage }: SpriteSheetParts): SpriteSheets {
  const made = new LRUCache<string, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => length,
  });
  const turns = createFairLimit({ total: 1, perTenant: 1 });

  async function make(key: string): Promise<Buffer> {
    const folder = await mkdtemp(join(tmpdir(), 'onetake-sheet-'));
    try {
      const outPath = join(folder, 'sheet.jpg');
      await storage.withLocalFile(key, (videoPath) =>
        native.run<SpriteSheetInput, void>(JOB, { videoPath, outPath }, { timeoutMs: TIMEOUT_MS }),
      );
      const sheet = await readFile(outPath);
      made.set(key, sheet);
      return sheet;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  return async ({ storageKey: key }, tenant, signal) => {
    const known = made.get(key);
    if (known) return known;
    const release = await turns.acquire(tenant, 1, signal);
    try {
      // Whoever had the turn before may have made it.
      return made.get(key) ?? (await make(key));
    } finally {
      release();
    }
  };
}
