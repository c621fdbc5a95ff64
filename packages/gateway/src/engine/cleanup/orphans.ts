import { isMediaKey, mediaIdOf } from '../../media/key.ts';
import type { MediaObject } from '../../media/media.ts';
import { isStagedForUnfinished } from '../ingest/ingest.ts';
import type { EngineParts } from '../parts.ts';
import { tryEach } from './eachAlone.ts';

/** Removes objects that no media row refers to, as after a restored older database or a failed removal. */
export interface Orphans {
  /** One pass over the whole storage, which stops early once `isOver` returns true. Resolves with the number of removed objects. */
  sweep(isOver?: () => boolean): Promise<number>;
  /** Removes staged files and incomplete uploads of tasks that are finished or unknown. Resolves with their number. */
  leftovers(): Promise<number>;
}

/**
 * Younger objects are kept. Rows are written before their bytes, so a minute would be enough; a day gives an operator time to
 * notice that the gateway was started with the wrong database. Milliseconds.
 */
const AGE_MS = 86_400_000;
/** Objects per query to the store. */
const BATCH = 100;
/** Our object names begin with a UUID as made by `newId`. Other objects in the same place belong to somebody else. */
const OWN_ID = /^[0-9a-f]{32}(?:$|-)/;

type OrphanParts = Pick<EngineParts, 'store' | 'storage' | 'clock' | 'log'>;

export function createOrphans({ store, storage, clock, log }: OrphanParts): Orphans {
  async function removeUnknown(objects: readonly MediaObject[]): Promise<number> {
    const known = await store.mediaKeys(objects.map(({ key }) => mediaIdOf(key)));
    const unknown = objects.filter(({ key }) => isUnknown(key, known.get(mediaIdOf(key))));
    const removed = await tryEach(
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

/** An object is also an orphan if its row has moved to another key, unless that key is invalid. */
const isUnknown = (key: string, keyOfRow: string | undefined): boolean =>
  keyOfRow === undefined || (keyOfRow !== key && isMediaKey(keyOfRow));

const isOurs = (key: string): boolean => isMediaKey(key) && OWN_ID.test(mediaIdOf(key));
