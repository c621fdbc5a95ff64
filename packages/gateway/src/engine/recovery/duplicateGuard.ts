import { promptKey } from '../../tasks/likeness.ts';
import type { Task } from '../../tasks/task.ts';
import { later, type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import type { EngineParts } from '../parts.ts';

/**
 * Keeps identical submissions apart. A lost submission is searched in the upstream's list by its request. A duplicate whose
 * response is still outstanding looks the same there and must not be mistaken for it.
 */
export interface DuplicateGuard {
  /** Runs a submission, from the call until its upstream id is stored. Duplicates may run concurrently. */
  submitting<T>(likeness: string, work: () => Promise<T>): Promise<T>;
  /** Runs a search, and what follows from it, while no duplicate is being submitted. */
  searching<T>(likeness: string, work: () => Promise<T>): Promise<T>;
}

/** Interval between looks for submissions of other nodes. Milliseconds. */
const LOOK_MS = 1000;
/** How long to wait for them in total, in call timeouts: new duplicates may keep arriving. */
const PATIENCE = 5;

interface Group {
  readonly submissions: Set<Promise<unknown>>;
  /** The last queued search. Searches run one at a time. */
  search: Promise<unknown> | undefined;
}

export function createDuplicateGuard(): DuplicateGuard {
  const groups = new Map<string, Group>();

  function groupOf(likeness: string): Group {
    let group = groups.get(likeness);
    if (!group) {
      group = { submissions: new Set(), search: undefined };
      groups.set(likeness, group);
    }
    return group;
  }

  function forget(likeness: string, group: Group): void {
    if (group.submissions.size === 0 && !group.search && groups.get(likeness) === group)
      groups.delete(likeness);
  }

  return {
    async submitting(likeness, work) {
      let group = groupOf(likeness);
      while (group.search) {
        await group.search;
        // The search may have removed the group when it ended; a later search would not see a submission in the old one.
        group = groupOf(likeness);
      }
      const running = work();
      const settled = running.catch(() => undefined);
      group.submissions.add(settled);
      try {
        return await running;
      } finally {
        group.submissions.delete(settled);
        forget(likeness, group);
      }
    },
    searching(likeness, work) {
      const group = groupOf(likeness);
      const before = group.search;
      const running = (async () => {
        await before;
        await Promise.all(group.submissions);
        return work();
      })();
      const settled = running
        .catch(() => undefined)
        .finally(() => {
          if (group.search === settled) group.search = undefined;
          forget(likeness, group);
        });
      group.search = settled;
      return running;
    },
  };
}

/**
 * As `DuplicateGuard`, for submissions of other nodes. Their intents are stored before their calls are sent. A job of theirs whose
 * id is not stored yet must not be mistaken for the lost one.
 */
export interface RemoteDuplicateGuard {
  /**
   * Resolves with true once no other node can have a call in flight that is identical to this task's. Resolves with false if that
   * takes longer than `PATIENCE` call timeouts, or if the signal is aborted.
   */
  absent(task: Task, signal: AbortSignal): Promise<boolean>;
}

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

/** The key by which a lost submission is searched: two tasks with the same key cannot be told apart in a list. */
export const likenessOf = ({ attempt, request }: Task): string =>
  JSON.stringify([attempt?.accountId, attempt?.upstreamModel, promptKey(request.prompt)]);
