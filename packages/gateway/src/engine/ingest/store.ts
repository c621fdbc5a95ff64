import { anotherKey } from '../../media/key.ts';
import { type MediaWrite, StoredWrong } from '../../media/media.ts';
import type { MediaRow } from '../../store/store.ts';
import type { EngineParts } from '../parts.ts';

/** Keys tried for one object, before its storage counts as one that cannot be used. */
const MAX_KEYS = 3;

/**
 * Puts what was measured into the storage: under another key where something else is under its own, and stays. The row is written first,
 * with what its bytes must be. Resolves with the row as it is then, still pending.
 */
export async function storeMeasured(
  { store, log }: Pick<EngineParts, 'store' | 'log'>,
  write: MediaWrite,
  row: MediaRow,
): Promise<MediaRow> {
  let at = row;
  for (let keys = 1; ; keys++) {
    await store.putMedia([at]);
    try {
      await write.commit(at.storageKey);
      return at;
    } catch (error) {
      if (!(error instanceof StoredWrong) || keys === MAX_KEYS) throw error;
      const next = anotherKey(at.storageKey);
      log.error(
        { event: 'media.stored_wrong', media: at.id, task: at.taskId, key: at.storageKey, next, err: error },
        'the storage has kept something else than was written; it is written under another key',
      );
      at = { ...at, storageKey: next };
    }
  }
}
