import type { EngineParts } from './parts.ts';

/** Removes what is past its time, in small batches. */
export interface Retention {
  /** One sweep over everything due; resolves with the number of media objects removed. */
  sweep(): Promise<number>;
  start(): void;
  stop(): void;
}

/** Time between sweeps, milliseconds. */
const SWEEP_MS = 60_000;
/** Rows of a batch: small, so that no batch holds up the hot path. */
const BATCH = 100;
/** A row whose bytes never came was left by a crash, once its task can no longer be at work on it. Milliseconds. */
const PENDING_MS = 86_400_000;

type RetentionParts = Pick<EngineParts, 'store' | 'storage' | 'timers' | 'log'>;

export function createRetention({ store, storage, timers, log }: RetentionParts): Retention {
  let cancel: (() => void) | undefined;
  let stopped = false;

  async function sweep(): Promise<number> {
    let removed = 0;
    for (;;) {
      const now = timers.now();
      const rows = await store.sweepable(now, now - PENDING_MS, BATCH);
      // Bytes first: a row without bytes is swept again, bytes without a row would stay for ever.
      for (const row of rows) await storage.remove(row.storageKey);
      await store.removeMedia(rows.map((row) => row.id));
      removed += rows.length;
      if (rows.length < BATCH) break;
    }
    while ((await store.removeExpiredIdempotency(timers.now(), BATCH)) === BATCH);
    return removed;
  }

  function schedule(): void {
    cancel = timers.at(timers.now() + SWEEP_MS, () => {
      sweep()
        .then((removed) => removed > 0 && log.info({ removed }, 'expired media removed'))
        .catch((error) => log.error({ err: error }, 'the retention sweep failed; it is tried again'))
        .finally(() => stopped || schedule());
    });
  }

  return {
    sweep,
    start: schedule,
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}
