import { anotherKey } from '../../media/key.ts';
import { type MediaWrite, StoredWrong } from '../../media/media.ts';
import type { MediaRow } from '../../store/store.ts';
import type { EngineParts } from '../parts.ts';

/** Keys tried for one object before the write fails. */
const MAX_KEYS = 3;

/**
 * Moves a staged file into the storage. If another object is stored under its key and cannot be replaced, another key is used. The
 * row is written first, with the expected size and digest. Resolves with that row, which is still pending.
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
        'the storage holds other bytes than were written; they are written under another key',
      );
      at = { ...at, storageKey: next };
    }
  }
}
