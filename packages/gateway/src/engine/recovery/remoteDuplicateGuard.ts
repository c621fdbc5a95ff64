import type { Task } from '../../tasks/task.ts';
import { later, type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import type { EngineParts } from '../parts.ts';

/**
 * The other nodes' side of `duplicateGuard.ts`: their submissions that look like a lost one. Their intents are in the store before
 * their calls go out; a job of theirs whose id is not stored yet must not be mistaken for the lost one.
 */
export interface RemoteDuplicateGuard {
  /**
   * Resolves with true when no call of another node that looks like this task's can still be on its way. With false where there
   * always was one for so long that the search must be given up, or where the signal came first.
   */
  absent(task: Task, signal: AbortSignal): Promise<boolean>;
}

/** Time between looks. Milliseconds. */
const LOOK_MS = 1000;
/** Calls' times to wait for an end of ever new twins. */
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
      // By this node's own watch: a submission seen for longer than any call may take is lost too, and takes what it finds.
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
