import type { EngineParts } from '../parts.ts';

/** The state of an unfinished task that is not stored. */
export interface LiveProgress {
  /** 0-100. */
  readonly percent: number | undefined;
  /** Milliseconds UTC. */
  readonly expectedAt: number | undefined;
}

/** Progress of tasks on other nodes, as last broadcast by them. A hint that is kept in memory only. */
export interface ProgressElsewhere {
  of(taskId: string): LiveProgress | undefined;
}

/** Interval between progress broadcasts in milliseconds, and tasks per broadcast: progress must not delay transitions. */
const TELL_MS = 500;
const TOLD_AT_A_TIME = 500;
/** Maximum number of remembered tasks. The least recently updated are dropped first. */
const REMEMBERED = 50_000;

/**
 * Broadcasts the progress of this node's tasks and remembers what other nodes broadcast, so that a client sees the same progress
 * at every node. The expected time is sent as a remaining duration, because the nodes' clocks may differ.
 */
export function shareProgress({
  cluster,
  feed,
  clock,
  timers,
}: Pick<EngineParts, 'cluster' | 'feed' | 'clock' | 'timers'>): ProgressElsewhere & {
  /** The progress of a task on this node has changed. */
  tell(taskId: string, progress: LiveProgress): void;
  /** A task moves to another node: its progress is remembered until that node broadcasts. */
  left(taskId: string, progress: LiveProgress): void;
} {
  const untold = new Map<string, LiveProgress>();
  const elsewhere = new Map<string, LiveProgress>();
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    const now = clock.now();
    const batch = [...untold].slice(0, TOLD_AT_A_TIME);
    for (const [id] of batch) untold.delete(id);
    const tasks = batch.map(
      ([id, { percent, expectedAt }]) =>
        [id, percent ?? null, Math.max(0, Math.round((expectedAt ?? now) - now))] as const,
    );
    if (tasks.length > 0) cluster.broadcast({ kind: 'progress', tasks });
    if (untold.size > 0) schedule();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    timers.after(TELL_MS, flush);
  }

  function remember(id: string, percent: number | undefined, expectedAt: number | undefined): void {
    const before = elsewhere.get(id)?.percent;
    // Deleted first, so that the entry moves to the end of the map's order.
    elsewhere.delete(id);
    elsewhere.set(id, { percent: further(before, percent), expectedAt });
    if (elsewhere.size > REMEMBERED) elsewhere.delete(elsewhere.keys().next().value ?? '');
  }

  cluster.onMessage((message) => {
    if (message.kind !== 'progress') return;
    const now = clock.now();
    for (const [id, percent, remainingMs] of message.tasks) {
      remember(id, percent ?? undefined, now + remainingMs);
    }
  });
  feed.onInvalidate((id) => {
    if (id !== undefined) return;
    // The lease was lost or is new: earlier broadcasts may be outdated.
    elsewhere.clear();
    untold.clear();
  });

  return {
    of: (taskId) => elsewhere.get(taskId),
    tell(taskId, progress) {
      if (!cluster.shared) return;
      untold.set(taskId, progress);
      schedule();
    },
    left(taskId, { percent, expectedAt }) {
      if (cluster.shared && percent !== undefined) remember(taskId, percent, expectedAt);
    },
  };
}

/** The larger of two percentages: progress never decreases. */
export const further = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
