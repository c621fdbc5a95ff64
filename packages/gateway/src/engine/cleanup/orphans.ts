import { isMediaKey, mediaIdOf } from '../../media/key.ts';
import type { MediaObject } from '../../media/media.ts';
import { isStagedForUnfinished } from '../ingest/ingest.ts';
import type { EngineParts } from '../parts.ts';
import { eachAlone } from './eachAlone.ts';

/** Removes objects that no media row knows: those of a database that was restored from an older copy, or of a failed removal. */
export interface Orphans {
  /** One pass over the whole storage, unless `isOver` before its end; resolves with how many objects were removed. */
  sweep(isOver?: () => boolean): Promise<number>;
  /** Removes what is staged on this node, or half uploaded, for no task that goes on. Resolves with how many. */
  leftovers(): Promise<number>;
}

/**
 * Younger ones are left alone. Rows are written before their bytes, so a minute would do; a day is time to notice that a
 * gateway was started with the wrong database. Milliseconds.
 */
const AGE_MS = 86_400_000;
/** Objects that one question to the store is about. */
const BATCH = 100;
/** Names of ours begin with a UUID, as `newId` makes it: whatever else lies in the same place is somebody's. */
const OWN_ID = /^[0-9a-f]{32}(?:$|-)/;

type OrphanParts = Pick<EngineParts, 'store' | 'storage' | 'clock' | 'log'>;

export function createOrphans({ store, storage, clock, log }: OrphanParts): Orphans {
  async function removeUnknown(objects: readonly MediaObject[]): Promise<number> {
    const known = await store.mediaKeys(objects.map(({ key }) => mediaIdOf(key)));
    const unknown = objects.filter(({ key }) => isUnknown(key, known.get(mediaIdOf(key))));
    const removed = await eachAlone(
      unknown,
      async ({ key, bytes }) => {
        log.warn(
          { event: 'retention.orphan_removed', key, bytes },
          'removed an object that no row refers to',
        );
        await storage.remove(key);
      },
      ({ key }, err) =>
        log.error({ event: 'retention.remove_failed', key, err }, 'removing an unknown object failed'),
    );
    return removed.length;
  }

  return {
    async sweep(isOver = () => false) {
      const before = clock.now() - AGE_MS;
      let removed = 0;
      let batch: MediaObject[] = [];
      for await (const object of storage.list()) {
        if (isOver()) return removed;
        if (object.modifiedAt >= before || !isOurs(object.key)) continue;
        batch.push(object);
        if (batch.length < BATCH) continue;
        removed += await removeUnknown(batch);
        batch = [];
      }
      if (batch.length > 0) removed += await removeUnknown(batch);
      return removed;
    },
    leftovers: () =>
      storage.removeLeftovers(clock.now() - AGE_MS, (key) => isStagedForUnfinished(store, key)),
  };
}

/** Of a row that is known, what its bytes were under before they were written anew goes as well; not where its key is damaged. */
const isUnknown = (key: string, keyOfRow: string | undefined): boolean =>
  keyOfRow === undefined || (keyOfRow !== key && isMediaKey(keyOfRow));

const isOurs = (key: string): boolean => isMediaKey(key) && OWN_ID.test(mediaIdOf(key));
