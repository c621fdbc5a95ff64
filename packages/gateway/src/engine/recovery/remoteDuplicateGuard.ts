import type { Task } from '../../tasks/task.ts';
import { later, type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import type { EngineParts } from '../parts.ts';

/**
 * As `duplicateGuard.ts`, for submissions of other nodes. Their intents are stored before their calls are sent. A job of theirs whose
 * id is not stored yet must not be mistaken for the lost one.
 */
export interface RemoteDuplicateGuard {
  /**
   * Resolves with true once no other node can have a call in flight that is identical to this task's. Resolves with false if that
   * takes longer than `PATIENCE` call timeouts, or if the signal is aborted.
   */
  absent(task: Task, signal: AbortSignal): Promise<boolean>;
}

/** Interval between checks. Milliseconds. */
const LOOK_MS = 1000;
/** How long to wait in total, in call timeouts: new duplicates may keep arriving. */
const PATIENCE = 5;

export function createRemoteDuplicateGuard({
  store,
  cluster,
  timers,
  settings,
}: Pick<EngineParts, 'store' | 'cluster' | 'timers' | 'settings'>): RemoteDuplicateGuard {
  return {
    async absent(task, signal) {
      if (!cluster.shared) return true;
      // Measured by this node's clock. A submission seen for longer than the call timeout is lost too and no longer counts.
      const seenSince = new Map<string, Moment>();
      const until = later(timers.monotonic(), PATIENCE * settings.callTimeoutMs);
      while (!signal.aborted && timers.monotonic() < until) {
        const duplicates = (await store.submittingLike(task)).filter(({ owner }) => owner !== cluster.node);
        const onTheirWay = duplicates.filter(({ id, version }) => {
          const sighting = `${id} ${version}`;
          const since = seenSince.get(sighting) ?? timers.monotonic();
          seenSince.set(sighting, since);
          return msBetween(since, timers.monotonic()) < settings.callTimeoutMs;
        });
        if (onTheirWay.length === 0) return true;
        await pause(timers, LOOK_MS, signal);
      }
      return false;
    },
  };
}
