import type { EngineParts } from '../parts.ts';
import type { ClockSteps } from './clockSteps.ts';
import { eachAlone } from './eachAlone.ts';
import { createOrphans } from './orphans.ts';

/** Removes what is past its time, in small batches. */
export interface Retention {
  /** One sweep over everything due; resolves with the number of media objects removed. */
  sweep(): Promise<number>;
  start(): void;
  stop(): void;
}

/** Time between sweeps, milliseconds. */
const SWEEP_MS = 60_000;
/** From the start to the first look for orphans: a process that is restarted often gets there all the same. Milliseconds. */
const FIRST_ORPHANS_MS = 3_600_000;
const ORPHANS_MS = 86_400_000;
/** Rows of a batch: small, so that no batch holds up the hot path. */
const BATCH = 100;
/** A row whose bytes never came was left by a crash, once its task can no longer be at work on it. Milliseconds. */
const PENDING_MS = 86_400_000;

interface RetentionParts extends Pick<EngineParts, 'store' | 'storage' | 'clock' | 'timers' | 'log'> {
  /** One node sweeps for all. */
  readonly leads: () => boolean;
  readonly clockSteps: ClockSteps;
}

export function createRetention({
  store,
  storage,
  clock,
  timers,
  log,
  leads,
  clockSteps,
}: RetentionParts): Retention {
  const orphans = createOrphans({ store, storage, clock, log });
  const stopping = new AbortController();
  const cancels = new Map<string, () => void>();
  /** The next leader does the rest, and this one would be in its way. */
  const isOver = () => stopping.signal.aborted || !leads();
  let told: ReadonlySet<string> = new Set();

  async function sweep(): Promise<number> {
    let removed = 0;
    const failed = new Map<string, unknown>();
    for (;;) {
      const now = clock.now();
      const rows = await store.sweepable(now, now - PENDING_MS, BATCH, [...failed.keys()]);
      // Bytes first: a row without bytes is swept again, bytes without a row would stay for ever.
      const gone = await eachAlone(
        rows,
        ({ storageKey }) => storage.remove(storageKey),
        ({ id }, error) => failed.set(id, error),
      );
      await store.removeMedia(gone.map((row) => row.id));
      removed += gone.length;
      if (rows.length < BATCH || isOver()) break;
      // Where the storage itself is away, every row would only fail like these.
      if (gone.length === 0) await storage.check();
    }
    tellFailed(failed);
    while (!isOver() && (await store.removeExpiredIdempotency(clock.now(), BATCH)) === BATCH);
    return removed;
  }

  /** What cannot be removed is tried again by every sweep, and told once. */
  function tellFailed(failed: ReadonlyMap<string, unknown>): void {
    for (const [id, err] of failed) {
      if (told.has(id)) continue;
      log.error({ event: 'retention.remove_failed', media: id, err }, 'removing expired media failed');
    }
    told = new Set(failed.keys());
  }

  /** Does `work` after `delayMs`, and then again and again. */
  function repeat(
    name: string,
    delayMs: number,
    everyMs: number,
    work: () => Promise<number>,
    here: () => boolean = leads,
  ): void {
    const cancel = timers.after(delayMs, () => {
      // The others would find the same work, and be in each other's way.
      (here() && clockSteps.warning() === undefined ? work() : Promise.resolve(0))
        .then(
          (removed) => removed > 0 && log.info({ event: 'retention.removed', removed }, `removed ${name}`),
        )
        .catch((error) =>
          log.error({ event: 'retention.sweep_failed', err: error }, `removing ${name} failed; retrying`),
        )
        .finally(() => stopping.signal.aborted || repeat(name, everyMs, everyMs, work, here));
    });
    cancels.set(name, cancel);
  }

  return {
    sweep,
    start() {
      repeat('expired media', SWEEP_MS, SWEEP_MS, sweep);
      repeat('orphans', FIRST_ORPHANS_MS, ORPHANS_MS, () => orphans.sweep(isOver));
      // Each node has a disk of its own.
      repeat('leftovers', FIRST_ORPHANS_MS, ORPHANS_MS, orphans.leftovers, () => true);
    },
    stop() {
      stopping.abort();
      for (const cancel of cancels.values()) cancel();
    },
  };
}
