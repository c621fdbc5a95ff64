import type { AcceptedAt, OldTasks } from '../../store/retention/retention.ts';
import type { Store } from '../../store/store.ts';
import { later, type Moment } from '../../time/clock.ts';
import type { EngineParts, EngineSettings } from '../parts.ts';

/** Removes the rows of what is long over, in small batches: tasks, the ledger's, webhook deliveries and the audit log, each if it has a time. */
export interface OldRows {
  /** Resolves with the number of tasks that were removed. */
  sweepTasks(): Promise<number>;
  /** Resolves with the number of tasks whose ledger rows became a part of summaries. */
  sweepLedger(): Promise<number>;
  /** Resolves with the number of deliveries that were removed. */
  sweepDeliveries(): Promise<number>;
  /** Resolves with the number of rows of the audit log that were removed. */
  sweepAudit(): Promise<number>;
}

/** Tasks per batch: small, so that the write of a batch delays others by milliseconds. */
const BATCH = 50;
/** How long a sweep may take. The next one goes on where it stopped. Milliseconds. */
const SWEEP_MS = 20_000;
/** How often the sweeps begin anew at the oldest task: for tasks that could not be removed at first, or ended later than their neighbours. */
const ANEW_MS = 3_600_000;

export type RetentionSettings = Pick<
  EngineSettings,
  'taskRetentionMs' | 'ledgerRetentionMs' | 'deliveryRetentionMs' | 'auditRetentionMs'
>;

interface OldRowsParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  readonly settings: RetentionSettings;
  /** Whether this node must stop: others lead, or it is stopping. */
  readonly isOver: () => boolean;
}

export function createOldRows({ store, feed, clock, timers, log, settings, isOver }: OldRowsParts): OldRows {
  const inTime = (): (() => boolean) => {
    const until = later(timers.monotonic(), SWEEP_MS);
    return () => !isOver() && timers.monotonic() < until;
  };

  /** A batch that fails is tried task by task, so that one that cannot be removed stays alone. */
  async function removeAll(remove: Remove, old: OldTasks): Promise<readonly string[]> {
    try {
      return await remove(old);
    } catch (error) {
      if (old.ids.length > 1) {
        const removed: string[] = [];
        for (const id of old.ids) removed.push(...(await removeAll(remove, { ...old, ids: [id] })));
        return removed;
      }
      // If the store itself is down, every task would fail: the sweep stops, and is reported as failed.
      await store.check();
      log.error(
        { event: 'retention.row_failed', task: old.ids[0], err: error },
        'the rows of a finished task cannot be removed; the sweep tries again in an hour',
      );
      return [];
    }
  }

  /** Walks over tasks from the oldest on, as far as they may be old enough. */
  function createWalk(
    keepMs: number,
    read: (after: string, limit: number) => Promise<readonly AcceptedAt[]>,
    remove: Remove,
  ): () => Promise<number> {
    let after = '';
    let anewAt: Moment = timers.monotonic();

    return async () => {
      if (keepMs === 0) return 0;
      if (timers.monotonic() >= anewAt) {
        after = '';
        anewAt = later(timers.monotonic(), ANEW_MS);
      }
      let removed = 0;
      for (const mayGoOn = inTime(); mayGoOn(); ) {
        const now = clock.now();
        const page = await read(after, BATCH);
        // One whose time is wrong says nothing about those behind it. A task ends after it was accepted.
        if (!page.some(({ createdAt }) => createdAt <= now - keepMs)) break;
        removed += (await removeAll(remove, { ids: page.map(({ id }) => id), now, keepMs })).length;
        const last = page.at(-1);
        if (!last || page.length < BATCH) break;
        after = last.id;
      }
      return removed;
    };
  }

  async function sweepBatches(keepMs: number, remove: Store['removeDeliveries']): Promise<number> {
    let removed = 0;
    if (keepMs === 0) return removed;
    const mayGoOn = inTime();
    for (let batch = BATCH; batch === BATCH && mayGoOn(); removed += batch)
      batch = await remove(clock.now(), keepMs, BATCH);
    return removed;
  }

  return {
    sweepTasks: createWalk(settings.taskRetentionMs, store.tasksAfter, async (old) => {
      const removed = await store.removeTasks(old);
      // Answers that are cached would be given for another minute.
      for (const id of removed) feed.invalidate(id);
      return removed;
    }),
    sweepLedger: createWalk(settings.ledgerRetentionMs, store.ledgeredAfter, store.summariseLedger),
    sweepDeliveries: () => sweepBatches(settings.deliveryRetentionMs, store.removeDeliveries),
    sweepAudit: () => sweepBatches(settings.auditRetentionMs, store.removeAudit),
  };
}

/** Resolves with the ids of the tasks of which rows were removed. */
type Remove = (old: OldTasks) => Promise<readonly string[]>;
