import pLimit from 'p-limit';
import type { AccountState } from '../../limits/account.ts';
import type { Damage, VerifiedMedia } from '../../media/verified.ts';
import { createVerifiedMedia } from '../../media/verified.ts';
import type { MediaRow } from '../../store/store.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import type { EngineParts } from '../parts.ts';
import { createRepair } from './repair.ts';

/** Finds damaged files in the storage and repairs them where that is possible. */
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
/** A poster whose row has been pending for longer than this is missing. Milliseconds. */
const POSTER_MS = 300_000;
/** Minimum interval between two verifications of the same file. Milliseconds. */
const CHECK_MS = 86_400_000;
/** Files repaired concurrently, tries per file, and the delay after the first try, which doubles (milliseconds). */
const AT_A_TIME = 2;
const MAX_TRIES = 6;
const RETRY_MS = 60_000;
/** A file that was given up is tried once more after this time: its account may be configured again. Milliseconds. */
const GIVEN_UP_MS = 86_400_000;
/** Timeout of one try. Milliseconds. */
const TRY_MS = 1_800_000;

export function createMediaScrub(parts: MediaScrubParts): MediaScrub {
  const { store, storage, clock, timers, settings, log, leads } = parts;
  const count = { found: 0, repaired: 0 };
  /** By row id: this process's tries, and when the next one is allowed. */
  const tries = new Map<string, { tries: number; at: Moment; waitMs: number }>();
  const underWay = new Map<string, Promise<void>>();
  const cancels = new Set<() => void>();
  const limit = pLimit(AT_A_TIME);
  const stopping = new AbortController();
  let after = '';

  async function note(row: MediaRow, { problem, detail }: Damage): Promise<void> {
    // False if the row was meanwhile deleted or got new bytes: the damaged ones are then obsolete.
    if (!(await store.markDamaged(row.id, row.storageKey, clock.now()))) return;
    count.found += 1;
    log.error(
      { event: 'media.damaged', ...namesOf(row), problem, detail },
      'a stored file is damaged; it is repaired if possible',
    );
    repairRow(row);
  }

  const media = createVerifiedMedia<MediaRow>({
    storage,
    log,
    damaged: (row, damage) =>
      void note(row, damage).catch((error) =>
        log.error(
          { event: 'media.mark_failed', ...namesOf(row), err: error },
          'cannot record that a stored file is damaged',
        ),
      ),
  });
  const repair = createRepair({ ...parts, media });

  /** Starts a repair, unless one is running or the file has to wait for its next try. */
  function repairRow(row: MediaRow): void {
    if (stopping.signal.aborted || underWay.has(row.id)) return;
    const last = tries.get(row.id);
    if (last && msBetween(last.at, timers.monotonic()) < last.waitMs) return;
    const work = limit(() => tryOnce(row)).finally(() => underWay.delete(row.id));
    underWay.set(row.id, work);
  }

  async function tryOnce(row: MediaRow): Promise<void> {
    if (stopping.signal.aborted) return;
    const before = tries.get(row.id)?.tries ?? 0;
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(TRY_MS)]);
      const outcome = await repair.repairRow(row, signal);
      if (outcome === 'hopeless') return giveUp(row, 'its bytes are not available any more');
      tries.delete(row.id);
      if (outcome === 'settled') return;
      count.repaired += 1;
      log.warn({ event: 'media.repaired', ...namesOf(row) }, 'a damaged file was repaired');
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.warn(
        { event: 'media.repair_failed', ...namesOf(row), tries: before + 1, err: error },
        'repairing a stored file failed',
      );
      if (before + 1 >= MAX_TRIES) return giveUp(row, 'every try failed');
      tries.set(row.id, { tries: before + 1, at: timers.monotonic(), waitMs: RETRY_MS * 2 ** before });
    }
  }

  function giveUp(row: MediaRow, why: string): void {
    tries.set(row.id, { tries: MAX_TRIES, at: timers.monotonic(), waitMs: GIVEN_UP_MS });
    log.error({ event: 'media.lost', ...namesOf(row), why }, 'a damaged file cannot be repaired');
  }

  /** Searches the next rows to repair: damage that other nodes found, and posters that could not be stored. */
  async function look(): Promise<void> {
    const rows = await store.mediaToRepair(clock.now() - POSTER_MS, after, BATCH);
    after = rows.length === BATCH ? (rows.at(-1)?.id ?? '') : '';
    for (const row of rows) repairRow(row);
    if (after !== '' || underWay.size > 0) return;
    const now = timers.monotonic();
    for (const [id, { at, waitMs }] of tries) if (msBetween(at, now) > waitMs + CHECK_MS) tries.delete(id);
  }

  async function scrub(): Promise<void> {
    const now = clock.now();
    const row = await store.mediaToCheck(now - CHECK_MS);
    if (!row) return;
    // Marked first, so that an unreadable file does not block all others.
    await store.markChecked(row.id, now);
    const damage = await media.verify(row);
    if (damage) await note(row, damage);
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
      return count.found;
    },
    get repaired() {
      return count.repaired;
    },
    start() {
      every(LOOK_MS, 'looking for damaged media', look);
      if (settings.scrubIntervalMs > 0) every(settings.scrubIntervalMs, 'checking stored media', scrub);
    },
    async stop() {
      stopping.abort();
      media.close();
      for (const cancel of cancels) cancel();
      await Promise.all(underWay.values());
    },
  };
}

const namesOf = ({ id, kind, taskId, storageKey }: MediaRow) => ({
  media: id,
  kind,
  task: taskId,
  key: storageKey,
});
