import type { AccountState } from '../../limits/account.ts';
import type { Damage, VerifiedMedia } from '../../media/verified.ts';
import { createVerifiedMedia } from '../../media/verified.ts';
import type { MediaRow } from '../../store/store.ts';
import type { Change } from '../events/feed.ts';
import type { EngineParts } from '../parts.ts';
import { createRepairQueue, namesOf } from './queue.ts';
import { createRepair } from './repair.ts';

/** Makes the posters of finished videos, finds damaged files in the storage and repairs them where that is possible. */
export interface MediaScrub {
  /** Reads stored files, and reports damage to the scrub. */
  readonly media: VerifiedMedia<MediaRow>;
  /** Number of files that this node has found damaged, and that it has repaired. */
  readonly found: number;
  readonly repaired: number;
  start(): void;
  /** Aborts repairs in progress. Resolves when none is running. */
  stop(): Promise<void>;
}

interface MediaScrubParts
  extends Pick<
    EngineParts,
    'store' | 'storage' | 'inspector' | 'feed' | 'clock' | 'timers' | 'settings' | 'log'
  > {
  readonly accountStates: ReadonlyMap<string, AccountState>;
  /** Whether this node is the leader, which searches for damage. Every node repairs the damage it finds while serving files. */
  readonly leads: () => boolean;
}

/** Interval between searches for files to repair. Milliseconds. */
const LOOK_MS = 60_000;
/** Rows per search; the next one continues after them. */
const BATCH = 100;
/** A poster whose row has been pending for longer than this was not made when its task succeeded. Milliseconds. */
const POSTER_MS = 60_000;
/** Damaged files repaired concurrently, each perhaps with a download. */
const REPAIRS = 2;
/** Posters made concurrently. The checker of videos that clients wait for stays free. */
const POSTERS = 1;
/** Minimum interval between two verifications of the same file. Milliseconds. */
const CHECK_MS = 86_400_000;

export function createMediaScrub(parts: MediaScrubParts): MediaScrub {
  const { store, storage, feed, clock, timers, settings, log, leads } = parts;
  const cancels = new Set<() => void>();
  const stopping = new AbortController();
  let after = '';
  let found = 0;

  async function recordDamage(row: MediaRow, { problem, detail }: Damage): Promise<void> {
    // False if the row was meanwhile deleted or got new bytes: the damaged ones are then obsolete.
    if (!(await store.markDamaged(row.id, row.storageKey, clock.now()))) return;
    found += 1;
    log.error(
      { event: 'media.damaged', ...namesOf(row), problem, detail },
      'a stored file is damaged; it is repaired if possible',
    );
    queue.add(row);
  }

  const media = createVerifiedMedia<MediaRow>({
    storage,
    log,
    damaged: (row, damage) =>
      void recordDamage(row, damage).catch((error) =>
        log.error(
          { event: 'media.mark_failed', ...namesOf(row), err: error },
          'cannot record that a stored file is damaged',
        ),
      ),
  });
  const queueing = { repair: createRepair({ ...parts, media }), timers, log, signal: stopping.signal };
  const queue = createRepairQueue({ ...queueing, concurrency: REPAIRS });
  const posters = createRepairQueue({ ...queueing, concurrency: POSTERS });

  /** Clients do not wait for the poster of a video, which takes longer than all checks. */
  const makePoster = ({ task, transition }: Change): void => {
    const { result, deletedAt } = task;
    if (transition && result?.posterId !== undefined && deletedAt === undefined)
      posters.add({ id: result.posterId, taskId: task.id, kind: 'poster' });
  };

  /** Searches the next rows to repair: damage that other nodes found, and posters that could not be stored. */
  async function look(): Promise<void> {
    const rows = await store.mediaToRepair(clock.now() - POSTER_MS, after, BATCH);
    after = rows.length === BATCH ? (rows.at(-1)?.id ?? '') : '';
    for (const row of rows) queue.add(row);
    if (after === '') for (const each of [queue, posters]) each.forgetOld(CHECK_MS);
  }

  async function scrub(): Promise<void> {
    const now = clock.now();
    const row = await store.mediaToCheck(now - CHECK_MS);
    if (!row) return;
    // Marked first, so that an unreadable file does not block all others.
    await store.markChecked(row.id, now);
    const damage = await media.verify(row);
    if (damage) await recordDamage(row, damage);
  }

  function every(ms: number, name: string, work: () => Promise<void>): void {
    const cancel = timers.after(ms, () => {
      cancels.delete(cancel);
      // Other nodes would find the same work.
      (leads() ? work() : Promise.resolve())
        .catch(
          (error) =>
            stopping.signal.aborted ||
            log.warn({ event: 'media.scrub_failed', err: error }, `${name} failed; retrying`),
        )
        .finally(() => stopping.signal.aborted || every(ms, name, work));
    });
    cancels.add(cancel);
  }

  return {
    media,
    get found() {
      return found;
    },
    get repaired() {
      return queue.repaired;
    },
    start() {
      cancels.add(feed.onChange(makePoster));
      every(LOOK_MS, 'looking for damaged media', look);
      if (settings.scrubIntervalMs > 0) every(settings.scrubIntervalMs, 'checking stored media', scrub);
    },
    async stop() {
      stopping.abort();
      media.close();
      for (const cancel of cancels) cancel();
      await Promise.all([queue.idle(), posters.idle()]);
    },
  };
}
