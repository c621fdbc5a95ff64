import { hash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import type { Feed } from '../engine/feed.ts';
import type { Clock } from '../tasks/clock.ts';
import { isTerminal, type Task } from '../tasks/task.ts';
import { etaSeconds, taskView, type ViewParts } from './taskView.ts';

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
  of(task: Task): Snapshot;
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
  readonly engine: Engine;
  readonly feed: Feed;
  readonly clock: Clock;
}

export function createSnapshots({ engine, feed, clock, ...view }: SnapshotParts): Snapshots {
  const cache = new Map<string, Snapshot>();
  // Changes are durable before they are published: what is read after this is the new truth.
  feed.onChange(({ task }) => cache.delete(task.id));

  function build(task: Task): Snapshot {
    const now = clock.now();
    const live = engine.live(task.id);
    const body = Buffer.from(JSON.stringify(taskView(task, live, now, view)));
    const finished = isTerminal(task.phase);
    return {
      task,
      body,
      // Weak while unfinished: an `eta` that merely ticks is no news.
      etag: finished ? `"${hash('sha1', body, 'hex')}"` : `W/"${task.version}-${live?.percent ?? 0}"`,
      retryAfter: finished ? undefined : String(retryAfter(live?.expectedAt, now)),
      freshUntil: now + (finished ? LINK_FRESH_MS : ETA_FRESH_MS),
    };
  }

  function cached(taskId: string): Snapshot | undefined {
    const snapshot = cache.get(taskId);
    return snapshot && snapshot.freshUntil > clock.now() ? snapshot : undefined;
  }

  return {
    cached,
    of: build,
    async read(taskId) {
      const known = cached(taskId);
      if (known) return known;
      let stale = false;
      // A change between the read and the end of this function must not leave the older answer in the cache.
      const stop = feed.onTask(taskId, () => {
        stale = true;
      });
      try {
        const task = await engine.read(taskId);
        if (!task) return undefined;
        const snapshot = build(task);
        if (!stale) {
          if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value ?? '');
          cache.set(taskId, snapshot);
        }
        return snapshot;
      } finally {
        stop();
      }
    },
  };
}

function retryAfter(expectedAt: number | undefined, now: number): number {
  return expectedAt === undefined ? 1 : Math.min(MAX_RETRY_AFTER, etaSeconds(expectedAt, now));
}
