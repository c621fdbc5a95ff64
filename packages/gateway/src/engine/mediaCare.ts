import type { Damage, VerifiedMedia } from '../media/verified.ts';
import { createVerifiedMedia } from '../media/verified.ts';
import type { MediaRow } from '../store/store.ts';
import type { EngineParts } from './parts.ts';

/** Looks after what is stored: notes what is damaged. */
export interface MediaCare {
  /** Reads what is stored, and tells this part of what is damaged. */
  readonly media: VerifiedMedia<MediaRow>;
  /** Files that this node has found damaged. */
  readonly found: number;
  stop(): void;
}

type MediaCareParts = Pick<EngineParts, 'store' | 'storage' | 'clock' | 'log'>;

export function createMediaCare({ store, storage, clock, log }: MediaCareParts): MediaCare {
  let found = 0;

  async function note(row: MediaRow, { problem, detail }: Damage): Promise<void> {
    // Deleted meanwhile, or fetched again: then what was read is nobody's any more.
    if (!(await store.markDamaged(row.id, row.storageKey, clock.now()))) return;
    found += 1;
    log.error(
      {
        event: 'media.damaged',
        media: row.id,
        kind: row.kind,
        task: row.taskId,
        key: row.storageKey,
        problem,
        detail,
      },
      'a stored file is damaged',
    );
  }

  const media = createVerifiedMedia<MediaRow>({
    storage,
    log,
    damaged: (row, damage) =>
      void note(row, damage).catch((error) =>
        log.error({ media: row.id, err: error }, 'that a stored file is damaged could not be noted'),
      ),
  });

  return {
    media,
    get found() {
      return found;
    },
    stop: () => media.close(),
  };
}
