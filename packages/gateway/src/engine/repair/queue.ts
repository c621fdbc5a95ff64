import pLimit from 'p-limit';
import type { Log } from '../../observability/log.ts';
import type { MediaRow } from '../../store/store.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import type { Repair } from './repair.ts';

/** Repairs damaged files a few at a time, and decides when a failed repair is tried again or given up. */
export interface RepairQueue {
  /** Starts a repair, unless one is running or the file has to wait for its next try. */
  add(row: RowName): void;
  /** Number of files that this node has repaired. */
  readonly repaired: number;
  /** Forgets files that could have been tried again for `ms` milliseconds. Does nothing while a repair is running. */
  forgetOld(ms: number): void;
  /** Resolves when no repair is running. */
  idle(): Promise<void>;
}

interface QueueParts {
  readonly repair: Repair;
  /** Files repaired concurrently. */
  readonly concurrency: number;
  readonly timers: Timers;
  readonly log: Log;
  /** Aborts repairs in progress, and stops new ones. */
  readonly signal: AbortSignal;
}

/** Tries per file, and the delay after the first try, which doubles (milliseconds). */
const MAX_TRIES = 6;
const RETRY_MS = 60_000;
/** A file that was given up is tried once more after this time: its account may be configured again. Milliseconds. */
const GIVEN_UP_MS = 86_400_000;
/** Timeout of one try. Milliseconds. */
const TRY_MS = 1_800_000;

export function createRepairQueue({ repair, concurrency, timers, log, signal }: QueueParts): RepairQueue {
  /** By row id: this process's tries, and when the next one is allowed. */
  const tries = new Map<string, { tries: number; at: Moment; waitMs: number }>();
  const underWay = new Map<string, Promise<void>>();
  const limit = pLimit(concurrency);
  let repaired = 0;

  function add(row: RowName): void {
    if (signal.aborted || underWay.has(row.id)) return;
    const last = tries.get(row.id);
    if (last && msBetween(last.at, timers.monotonic()) < last.waitMs) return;
    const work = limit(() => tryOnce(row)).finally(() => underWay.delete(row.id));
    underWay.set(row.id, work);
  }

  async function tryOnce(row: RowName): Promise<void> {
    if (signal.aborted) return;
    const before = tries.get(row.id)?.tries ?? 0;
    try {
      const outcome = await repair.repairRow(row, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]));
      if (outcome === 'hopeless') return giveUp(row, 'its bytes are not available any more');
      tries.delete(row.id);
      if (outcome === 'settled') return;
      repaired += 1;
      log.warn({ event: 'media.repaired', ...namesOf(row) }, 'a damaged file was repaired');
    } catch (error) {
      if (signal.aborted) return;
      log.warn(
        { event: 'media.repair_failed', ...namesOf(row), tries: before + 1, err: error },
        'repairing a stored file failed',
      );
      if (before + 1 >= MAX_TRIES) return giveUp(row, 'every try failed');
      tries.set(row.id, { tries: before + 1, at: timers.monotonic(), waitMs: RETRY_MS * 2 ** before });
    }
  }

  function giveUp(row: RowName, why: string): void {
    tries.set(row.id, { tries: MAX_TRIES, at: timers.monotonic(), waitMs: GIVEN_UP_MS });
    log.error({ event: 'media.lost', ...namesOf(row), why }, 'a damaged file cannot be repaired');
  }

  return {
    add,
    get repaired() {
      return repaired;
    },
    forgetOld(ms) {
      if (underWay.size > 0) return;
      const now = timers.monotonic();
      for (const [id, { at, waitMs }] of tries) if (msBetween(at, now) > waitMs + ms) tries.delete(id);
    },
    async idle() {
      await Promise.all(underWay.values());
    },
  };
}

/** What names a row. */
type RowName = Pick<MediaRow, 'id' | 'kind' | 'taskId'> & Partial<Pick<MediaRow, 'storageKey'>>;

/** What log lines say about a row. */
export const namesOf = ({ id, kind, taskId, storageKey }: RowName) => ({
  media: id,
  kind,
  task: taskId,
  key: storageKey,
});
