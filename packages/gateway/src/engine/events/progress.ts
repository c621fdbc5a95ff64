import type { ActiveTask } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';

/** The state of an unfinished task that is not stored. */
export interface LiveProgress {
  /** 0-100. */
  readonly percent: number | undefined;
  /** Milliseconds UTC. */
  readonly expectedAt: number | undefined;
  /** When it is worth while to look again, milliseconds UTC. */
  readonly queryAgainAt?: number | undefined;
}

/** Progress of unfinished tasks on all nodes. A hint that is kept in memory only. */
export interface Progress {
  /** Undefined if this node knows nothing of the task's progress. */
  of(taskId: string): LiveProgress | undefined;
  /** A task moves to another node: its progress is remembered until that node broadcasts. */
  transferred(taskId: string, progress: LiveProgress): void;
}

/** Interval between progress broadcasts in milliseconds, and tasks per broadcast: progress must not delay transitions. */
const BROADCAST_MS = 500;
const BROADCAST_TASKS = 500;
/** Maximum number of remembered tasks. The least recently updated are dropped first. */
const MAX_REMEMBERED = 50_000;

/**
 * Broadcasts the progress of this node's tasks and remembers what other nodes broadcast, so that a client sees the same progress
 * at every node. The expected time is sent as a remaining duration, because the nodes' clocks may differ.
 */
export function shareProgress({
  cluster,
  feed,
  clock,
  timers,
  activeTasks,
}: Pick<EngineParts, 'cluster' | 'feed' | 'clock' | 'timers'> & {
  readonly activeTasks: Pick<ActiveTasks, 'get'>;
}): Progress {
  const pending = new Map<string, LiveProgress>();
  const remote = new Map<string, LiveProgress>();
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    const now = clock.now();
    const batch = [...pending].slice(0, BROADCAST_TASKS);
    for (const [id] of batch) pending.delete(id);
    const tasks = batch.map(
      ([id, { percent, expectedAt = now, queryAgainAt = now }]) =>
        [
          id,
          percent ?? null,
          Math.max(0, Math.round(expectedAt - now)),
          Math.max(0, Math.round(queryAgainAt - now)),
        ] as const,
    );
    if (tasks.length > 0) cluster.broadcast({ kind: 'progress', tasks });
    if (pending.size > 0) schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    timers.after(BROADCAST_MS, flush);
  }

  function remember(id: string, { percent, ...times }: LiveProgress): void {
    const before = remote.get(id)?.percent;
    // Deleted first, so that the entry moves to the end of the map's order.
    remote.delete(id);
    remote.set(id, { ...times, percent: maxProgress(before, percent) });
    if (remote.size > MAX_REMEMBERED) remote.delete(remote.keys().next().value ?? '');
  }

  cluster.onMessage((message) => {
    if (message.kind !== 'progress') return;
    const now = clock.now();
    for (const [id, percent, remainingMs, queryAgainInMs] of message.tasks) {
      remember(id, {
        percent: percent ?? undefined,
        expectedAt: now + remainingMs,
        queryAgainAt: now + (queryAgainInMs ?? remainingMs),
      });
      feed.progressedRemotely(id);
    }
  });
  feed.onInvalidate((id) => {
    if (id !== undefined) return;
    // The lease was lost or is new: earlier broadcasts may be outdated.
    remote.clear();
    pending.clear();
  });

  if (cluster.shared) {
    feed.onChange(({ task, transition }) => {
      const active = transition ? undefined : activeTasks.get(task.id);
      if (!active) return;
      pending.set(task.id, liveOf(active));
      schedule();
    });
  }

  return {
    of(taskId) {
      const active = activeTasks.get(taskId);
      const told = remote.get(taskId);
      if (!active) return told && stillAhead(told, clock.now());
      // The previous driver may have broadcast more progress than this node has seen yet.
      return { ...liveOf(active), percent: maxProgress(active.progress, told?.percent) };
    },
    transferred(taskId, progress) {
      if (cluster.shared && progress.percent !== undefined) remember(taskId, progress);
    },
  };
}

/** The progress of a task that this node drives. */
export const liveOf = ({ progress, expectedAt, queryAgainAt }: ActiveTask): LiveProgress => ({
  percent: progress,
  expectedAt,
  queryAgainAt,
});

/** The driver broadcasts only when progress moves. Meanwhile it is worth while to look after a tenth of the time that is left. */
function stillAhead(told: LiveProgress, now: number): LiveProgress {
  const { expectedAt = now, queryAgainAt = now } = told;
  return queryAgainAt > now ? told : { ...told, queryAgainAt: now + Math.max(0, expectedAt - now) / 10 };
}

/** The larger of two percentages: progress never decreases. */
const maxProgress = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
