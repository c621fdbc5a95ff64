import type { EngineParts } from '../parts.ts';

/** What is known of an unfinished task beside its stored state. */
export interface LiveProgress {
  /** 0-100. */
  readonly percent: number | undefined;
  /** Milliseconds UTC. */
  readonly expectedAt: number | undefined;
}

/** How far the tasks of other nodes are, as far as they have told: a hint, kept in memory alone. */
export interface ProgressElsewhere {
  of(taskId: string): LiveProgress | undefined;
}

/** Progress is told this often, and no more tasks at a time than this: it may wait, transitions may not. */
const TELL_MS = 500;
const TOLD_AT_A_TIME = 500;
/** Tasks remembered; the ones heard of longest ago go first. */
const REMEMBERED = 50_000;

/**
 * Tells the other nodes how far this node's tasks are, and remembers what they tell, so that a client sees the same progress
 * whichever node it asks. What is still expected travels as a duration: no clock is compared with another.
 */
export function shareProgress({
  cluster,
  feed,
  clock,
  timers,
}: Pick<EngineParts, 'cluster' | 'feed' | 'clock' | 'timers'>): ProgressElsewhere & {
  /** A task of this node has moved on. */
  tell(taskId: string, progress: LiveProgress): void;
  /** A task of this node goes to another, which has yet to tell. */
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
    // Deleted first, so that it goes to the end of the order in which they are forgotten.
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
    // The session was lost or is new: what was told may be long ago.
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

/** Progress never falls, whoever tells it. */
export const further = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
