import type { EngineParts, EngineSettings } from '../parts.ts';
import type { ClockSteps } from './clockSteps.ts';
import { tryEach } from './eachAlone.ts';
import { createOldRows, type RetentionSettings } from './oldRows.ts';
import { createOrphans } from './orphans.ts';

/** Removes expired media, events and idempotency records, and the rows of tasks that ended long ago, in small batches. */
export interface Retention {
  /** Removes everything that has expired. Resolves with the number of removed media objects. */
  sweep(): Promise<number>;
  /** Removes events that have been kept for long enough. Resolves with their number. */
  sweepEvents(): Promise<number>;
  start(): void;
  stop(): void;
}

/** Time between sweeps, milliseconds. */
const SWEEP_MS = 60_000;
/** Delay of the first search for orphans: short, so that a process that is restarted often gets there too. Milliseconds. */
const FIRST_ORPHANS_MS = 3_600_000;
const ORPHANS_MS = 86_400_000;
/** How often what projects and keys use is counted again. Milliseconds. */
const RECOUNT_MS = 300_000;
/** Rows per batch: small, so that a batch does not delay requests. */
const BATCH = 100;
/** A pending row older than this was left behind by a crash. Milliseconds. */
const PENDING_MS = 86_400_000;

interface RetentionParts
  extends Pick<EngineParts, 'store' | 'storage' | 'feed' | 'clock' | 'timers' | 'log'> {
  readonly settings: Pick<EngineSettings, 'eventRetentionMs'> & RetentionSettings;
  /** Whether this node is the leader, which sweeps for all nodes. */
  readonly leads: () => boolean;
  readonly clockSteps: ClockSteps;
}

export function createRetention({
  store,
  storage,
  feed,
  clock,
  timers,
  log,
  settings,
  leads,
  clockSteps,
}: RetentionParts): Retention {
  const orphans = createOrphans({ store, storage, clock, log });
  const stopping = new AbortController();
  const cancels = new Map<string, () => void>();
  /** After a change of leader the new one goes on. */
  const isOver = () => stopping.signal.aborted || !leads();
  const oldRows = createOldRows({ store, feed, clock, timers, log, settings, isOver });
  let logged: ReadonlySet<string> = new Set();

  async function sweep(): Promise<number> {
    let removed = 0;
    const failed = new Map<string, unknown>();
    for (;;) {
      const now = clock.now();
      const rows = await store.sweepable(now, now - PENDING_MS, BATCH, [...failed.keys()]);
      // Bytes first: a row without bytes is swept again, but bytes without a row would be found by no later sweep.
      const gone = await tryEach(
        rows,
        ({ storageKey }) => storage.remove(storageKey),
        ({ id }, error) => failed.set(id, error),
      );
      await store.removeMedia(gone.map((row) => row.id));
      removed += gone.length;
      if (rows.length < BATCH || isOver()) break;
      // If the storage itself is down, stop here: every further row would fail too.
      if (gone.length === 0) await storage.check();
    }
    logFailed(failed);
    while (!isOver() && (await store.removeExpiredIdempotency(clock.now(), BATCH)) === BATCH);
    return removed;
  }

  /** Every sweep retries what cannot be removed, but it is logged only once. */
  function logFailed(failed: ReadonlyMap<string, unknown>): void {
    for (const [id, err] of failed) {
      if (logged.has(id)) continue;
      log.error({ event: 'retention.remove_failed', media: id, err }, 'removing expired media failed');
    }
    logged = new Set(failed.keys());
  }

  /** Runs `work` after `delayMs`, and then every `everyMs`. */
  function repeat(
    name: string,
    delayMs: number,
    everyMs: number,
    work: () => Promise<number>,
    here: () => boolean = leads,
  ): void {
    const cancel = timers.after(delayMs, () => {
      // Other nodes would find the same work and conflict with this one.
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

  async function sweepEvents(): Promise<number> {
    let removed = 0;
    for (let batch = BATCH; batch === BATCH && !isOver(); removed += batch) {
      batch = await store.removeEvents(clock.now(), settings.eventRetentionMs, BATCH);
    }
    return removed;
  }

  /** Resolves with 0: nothing that anybody misses was removed. */
  async function recountQuotas(): Promise<number> {
    for (const wrong of await store.recountQuotas(clock.now()))
      log.warn({ event: 'limits.quota_recounted', ...wrong }, 'corrected what a project or a key uses');
    return 0;
  }

  return {
    sweep,
    sweepEvents,
    start() {
      repeat('old counters of limits', RECOUNT_MS, RECOUNT_MS, recountQuotas);
      repeat('expired media', SWEEP_MS, SWEEP_MS, sweep);
      repeat('old events', SWEEP_MS, SWEEP_MS, sweepEvents);
      repeat('old webhook deliveries', SWEEP_MS, SWEEP_MS, oldRows.sweepDeliveries);
      repeat('old rows of the audit log', SWEEP_MS, SWEEP_MS, oldRows.sweepAudit);
      repeat('old ledger rows', SWEEP_MS, SWEEP_MS, oldRows.sweepLedger);
      repeat('old tasks', SWEEP_MS, SWEEP_MS, oldRows.sweepTasks);
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
