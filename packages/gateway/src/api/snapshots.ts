import { hash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import type { Feed } from '../engine/feed.ts';
import type { Clock } from '../tasks/clock.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { createReads } from './reads.ts';
import { etaSeconds, taskView, urlsOf, type ViewParts } from './taskView.ts';

/** A query's answer, serialised once for every client that asks. */
export interface Snapshot {
  readonly task: Task;
  readonly body: Buffer;
  readonly etag: string;
  /** Seconds, for `Retry-After`; undefined once finished. */
  readonly retryAfter: string | undefined;
  /** Milliseconds UTC after which the answer is made anew: its `eta` or its link has aged. */
  readonly freshUntil: number;
}

/** Reads tasks for the hot path: from memory while nothing changed, else from the engine. */
export interface Snapshots {
  read(taskId: string): Promise<Snapshot | undefined>;
  /** The answer if it is in memory and fresh: no promise on the hottest path. */
  cached(taskId: string): Snapshot | undefined;
  of(task: Task): Promise<Snapshot>;
}

/** Answers kept; the oldest go first. About a kilobyte each. */
const CACHE_SIZE = 20_000;
/** How long an unfinished task's `eta` may stand. Milliseconds. */
const ETA_FRESH_MS = 1000;
/** A finished task's answer changes only as its link is signed anew. */
const LINK_FRESH_MS = 60_000;
/** Clients are asked back within this many seconds, however long a task is expected to take. */
const MAX_RETRY_AFTER = 15;

interface SnapshotParts extends ViewParts {
  /** The task as it is, and whether its answer may be kept though it is unfinished: nobody changes it unheard. */
  readonly readTask: (taskId: string) => Promise<{ task: Task; keep: boolean } | undefined>;
  readonly live: Engine['live'];
  /** Whether what others change is told at this moment; while it is not, what is unfinished is read each time. */
  readonly held: () => boolean;
  readonly feed: Feed;
  readonly clock: Clock;
}

export function createSnapshots(parts: SnapshotParts): Snapshots {
  const { readTask, live, held, feed, clock, ...view } = parts;
  const cache = new Map<string, Snapshot>();
  const reads = createReads();
  // Changes are durable before they are published: what is read after this is the new truth.
  feed.onChange(({ task }) => forget(task.id));
  feed.onStale(forget);

  /** A change between a read and its end must not leave the older answer in the cache either. */
  function forget(taskId: string | undefined): void {
    if (taskId === undefined) cache.clear();
    else cache.delete(taskId);
    reads.outdate(taskId);
  }

  async function build(task: Task): Promise<Snapshot> {
    const urls = await urlsOf(task, view);
    const now = clock.now();
    const progress = live(task.id);
    const body = Buffer.from(JSON.stringify(taskView(task, progress, now, urls)));
    const finished = isTerminal(task.phase);
    return {
      task,
      body,
      // Weak while unfinished: an `eta` that merely ticks is no news.
      etag: finished ? `"${hash('sha1', body, 'hex')}"` : `W/"${task.version}-${progress?.percent ?? 0}"`,
      retryAfter: finished ? undefined : String(retryAfter(progress?.expectedAt, now)),
      freshUntil: now + (finished ? LINK_FRESH_MS : ETA_FRESH_MS),
    };
  }

  function cached(taskId: string): Snapshot | undefined {
    const snapshot = cache.get(taskId);
    return snapshot && snapshot.freshUntil > clock.now() && mayServe(snapshot.task) ? snapshot : undefined;
  }
  /** What is finished never changes; a deletion is told. */
  const mayServe = (task: Task): boolean => isTerminal(task.phase) || held();

  return {
    cached,
    of: build,
    async read(taskId) {
      const known = cached(taskId);
      if (known) return known;
      const read = reads.begin(taskId);
      // Whoever goes on to wait for a change of what is answered here hears of one that comes before it is.
      const stop = feed.onTask(taskId, () => undefined);
      try {
        const found = await readTask(taskId);
        if (!found) return undefined;
        const { task, keep } = found;
        const snapshot = await build(task);
        if (read.current && (keep || isTerminal(task.phase)) && mayServe(task)) {
          if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value ?? '');
          cache.set(taskId, snapshot);
        }
        return snapshot;
      } finally {
        stop();
        reads.end(read);
      }
    },
  };
}

function retryAfter(expectedAt: number | undefined, now: number): number {
  return expectedAt === undefined ? 1 : Math.min(MAX_RETRY_AFTER, etaSeconds(expectedAt, now));
}
