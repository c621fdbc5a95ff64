import pLimit from 'p-limit';
import type { AccountState } from '../../limits/account.ts';
import type { Damage, VerifiedMedia } from '../../media/verified.ts';
import { createVerifiedMedia } from '../../media/verified.ts';
import type { MediaRow } from '../../store/store.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import type { EngineParts } from '../parts.ts';
import { createRepair } from './repair.ts';

/** Looks after what is stored: finds what is damaged, and makes it whole again where that is possible. */
export interface MediaScrub {
  /** Reads what is stored, and tells this part of what is damaged. */
  readonly media: VerifiedMedia<MediaRow>;
  /** Files that this node has found damaged, and made whole or made later. */
  readonly found: number;
  readonly repaired: number;
  start(): void;
  /** Interrupts what is under way; resolves when nothing is. */
  stop(): Promise<void>;
}

interface MediaScrubParts
  extends Pick<
    EngineParts,
    'store' | 'storage' | 'inspector' | 'feed' | 'clock' | 'timers' | 'settings' | 'log'
  > {
  readonly accountStates: ReadonlyMap<string, AccountState>;
  /** One node looks for what is to be done; each does what it finds while it serves. */
  readonly leads: () => boolean;
}

/** Between two looks for what is to be mended. Milliseconds. */
const LOOK_MS = 60_000;
/** Rows of one look; the next goes on behind them. */
const BATCH = 100;
/** A poster is missing, rather than about to be made, when its row is this old. Milliseconds. */
const POSTER_MS = 300_000;
/** No file is compared with its digest more often than this. Milliseconds. */
const CHECK_MS = 86_400_000;
/** Files mended at a time, tries for one, and the wait after the first, doubling. Milliseconds. */
const AT_A_TIME = 2;
const MAX_TRIES = 6;
const RETRY_MS = 60_000;
/** What was given up is tried once more a day later: its account may be configured again. Milliseconds. */
const GIVEN_UP_MS = 86_400_000;
/** One try. Milliseconds. */
const TRY_MS = 1_800_000;

export function createMediaScrub(parts: MediaScrubParts): MediaScrub {
  const { store, storage, clock, timers, settings, log, leads } = parts;
  const count = { found: 0, repaired: 0 };
  /** By row, what this process has tried: and when it may be tried again. */
  const tries = new Map<string, { tries: number; at: Moment; waitMs: number }>();
  const underWay = new Map<string, Promise<void>>();
  const cancels = new Set<() => void>();
  const limit = pLimit(AT_A_TIME);
  const stopping = new AbortController();
  let after = '';

  async function note(row: MediaRow, { problem, detail }: Damage): Promise<void> {
    // Deleted meanwhile, or fetched again: then what was read is nobody's any more.
    if (!(await store.markDamaged(row.id, row.storageKey, clock.now()))) return;
    count.found += 1;
    log.error(
      { event: 'media.damaged', ...namesOf(row), problem, detail },
      'a stored file is damaged; it is made whole again where that is possible',
    );
    mend(row);
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

  /** Unless it is under way, or was in vain too often. */
  function mend(row: MediaRow): void {
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
      const outcome = await repair.mend(row, signal);
      if (outcome === 'hopeless') return giveUp(row, 'nobody has its bytes any more');
      tries.delete(row.id);
      if (outcome === 'settled') return;
      count.repaired += 1;
      log.warn({ event: 'media.repaired', ...namesOf(row) }, 'a stored file is whole again');
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
    log.error({ event: 'media.lost', ...namesOf(row), why }, 'a stored file cannot be made whole again');
  }

  /** A part of what is to be mended: what damage others have found, and posters that could not be stored. */
  async function look(): Promise<void> {
    const rows = await store.mediaToRepair(clock.now() - POSTER_MS, after, BATCH);
    after = rows.length === BATCH ? (rows.at(-1)?.id ?? '') : '';
    for (const row of rows) mend(row);
    if (after !== '' || underWay.size > 0) return;
    const now = timers.monotonic();
    for (const [id, { at, waitMs }] of tries) if (msBetween(at, now) > waitMs + CHECK_MS) tries.delete(id);
  }

  async function scrub(): Promise<void> {
    const now = clock.now();
    const row = await store.mediaToCheck(now - CHECK_MS);
    if (!row) return;
    // First, so that one that cannot be read does not keep all others from their turn.
    await store.markChecked(row.id, now);
    const damage = await media.verify(row);
    if (damage) await note(row, damage);
  }

  function every(ms: number, name: string, work: () => Promise<void>): void {
    const cancel = timers.after(ms, () => {
      cancels.delete(cancel);
      // The others would find the same work.
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
