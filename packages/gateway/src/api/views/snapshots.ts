import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Engine } from '../../engine/engine.ts';
import type { Feed } from '../../engine/events/feed.ts';
import type { Waiting } from '../../engine/stages/waiting.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { Clock } from '../../time/clock.ts';
import { createPendingReads } from '../pendingReads.ts';
import { etaSeconds, taskView, urlsOf, type ViewParts } from './task.ts';

/** The answer to a query, serialised once for all clients. */
export interface Snapshot {
  /** The members of the task that decide how it is answered. The whole task, with its prompt, would take twice the memory. */
  readonly task: Pick<Task, 'projectId' | 'phase' | 'startedAt' | 'version' | 'deletedAt'>;
  /**
   * The bytes of the body, a character each (`latin1`). A string takes half the memory of a buffer of this size, and Node sends it in
   * one piece with the head.
   */
  readonly body: string;
  readonly etag: string;
  /** Seconds, for `Retry-After`; undefined once finished. */
  readonly retryAfter: string | undefined;
  /** Milliseconds UTC after which the answer is built again. A wall-clock time, because the wall clock also decides when links expire. */
  readonly freshUntil: number;
}

/** Reads tasks for the hot path: from the cache while nothing has changed, otherwise from the engine. */
export interface Snapshots {
  read(taskId: string): Promise<Snapshot | undefined>;
  /** The cached answer if it is fresh. Synchronous, for the hottest path. */
  cached(taskId: string): Snapshot | undefined;
  of(task: Task): Promise<Snapshot>;
}

/**
 * Size of the cache, which evicts the least recently used answers: those of about 57,000 tasks. The next
 * query of an evicted one reads the store, which takes as long as ten from the cache (`npm run bench:query`).
 */
const CACHE_BYTES = 64 * 2 ** 20;
/** Bytes of memory per answer besides its body. */
const OVERHEAD = 420;
/** How long an unfinished task's answer is fresh: its `eta` changes. Milliseconds. */
const ETA_FRESH_MS = 1000;
/** How long a finished task's answer is fresh: only its link changes, when it is signed again. Milliseconds. */
const LINK_FRESH_MS = 60_000;

interface SnapshotParts extends ViewParts {
  /** The current task, and whether its answer may be cached although it is unfinished, because every change is notified. */
  readonly readTask: (taskId: string) => Promise<{ task: Task; keep: boolean } | undefined>;
  readonly live: Engine['live'];
  readonly waiting: Engine['waiting'];
  /** Whether this node is notified of changes by other nodes. Otherwise unfinished tasks are not cached. */
  readonly hasLease: () => boolean;
  readonly feed: Feed;
  readonly clock: Clock;
  /** A monotonic clock, milliseconds. A wall clock that is set back must not extend the life of an answer. */
  readonly monotonic?: () => number;
}

export function createSnapshots(parts: SnapshotParts): Snapshots {
  const { readTask, live, waiting: waitingOf, hasLease, feed, clock, ...view } = parts;
  const monotonic = parts.monotonic ?? (() => performance.now());
  const cache = new LRUCache<string, Snapshot>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ body }) => body.length + OVERHEAD,
    ttl: LINK_FRESH_MS,
    ttlResolution: 0,
    perf: { now: monotonic },
  });
  let purgeAt = monotonic() + LINK_FRESH_MS;
  const pending = createPendingReads();
  // Changes are durable before they are published, so a later read returns the new state.
  feed.onChange(({ task }) => forget(task.id));
  feed.onInvalidate(forget);

  /** Also marks reads in progress as outdated, so that they do not put an old answer into the cache. */
  function forget(taskId: string | undefined): void {
    if (taskId === undefined) cache.clear();
    else cache.delete(taskId);
    pending.outdate(taskId);
  }

  async function build(task: Task): Promise<Snapshot> {
    const urls = await urlsOf(task, view);
    const now = clock.now();
    const progress = live(task.id);
    const waiting = waitingOf(task);
    const text = JSON.stringify(taskView(task, { live: progress, waiting }, now, urls));
    const { projectId, phase, version, startedAt, deletedAt } = task;
    const finished = isTerminal(phase);
    return {
      task: {
        projectId,
        phase,
        version,
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(deletedAt === undefined ? {} : { deletedAt }),
      },
      body: bytesOf(text),
      etag: finished ? strongEtag(text) : weakEtag(version, progress?.percent, waiting),
      retryAfter: finished ? undefined : String(retryAfter(progress?.queryAgainAt, now)),
      freshUntil: now + (finished ? LINK_FRESH_MS : ETA_FRESH_MS),
    };
  }

  function cached(taskId: string): Snapshot | undefined {
    const snapshot = cache.get(taskId);
    return snapshot && snapshot.freshUntil > clock.now() && mayServe(snapshot.task) ? snapshot : undefined;
  }

  function keep(id: string, snapshot: Snapshot): void {
    cache.set(id, snapshot, { ttl: isTerminal(snapshot.task.phase) ? LINK_FRESH_MS : ETA_FRESH_MS });
    if (monotonic() < purgeAt) return;
    // Expired answers that nobody requests again would stay until the cache is full.
    cache.purgeStale();
    purgeAt = monotonic() + LINK_FRESH_MS;
  }

  /** A finished task only changes by its deletion, which every node is notified of. */
  const mayServe = (task: Snapshot['task']): boolean => isTerminal(task.phase) || hasLease();

  return {
    cached,
    of: build,
    async read(taskId) {
      const known = cached(taskId);
      if (known) return known;
      const read = pending.begin(taskId);
      // While a task has listeners, changes by other nodes are read and published. Without this one, a change during the read
      // would be missed by a caller that subscribes after it.
      const stop = feed.onTask(taskId, () => undefined);
      try {
        const found = await readTask(taskId);
        if (!found) return undefined;
        const { task, keep: mayKeep } = found;
        const snapshot = await build(task);
        // The key is the task's own copy of the id. The caller's is a slice of the URL and would keep all of it in memory.
        if (read.current && (mayKeep || isTerminal(task.phase)) && mayServe(task)) keep(task.id, snapshot);
        return snapshot;
      } finally {
        stop();
        pending.end(read);
      }
    },
  };
}

const strongEtag = (text: string): string => `"${hash('sha1', text, 'hex')}"`;

/** The tag of an unfinished task's answer. It does not change if only the `eta` does, so it is weak. */
function weakEtag(version: number, percent = 0, waiting?: Waiting): string {
  const { reason, retryAt = 0 } = waiting ?? {};
  const suffix = waiting ? `-${hash('sha1', `${reason} ${retryAt}`, 'hex').slice(0, 8)}` : '';
  return `W/"${version}-${percent}${suffix}"`;
}

/** The bytes of a text, a character each. Most texts are such already. */
const bytesOf = (text: string): string =>
  Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1');

/** The body of an answer as text. */
export const textOf = ({ body }: Pick<Snapshot, 'body'>): string => Buffer.from(body, 'latin1').toString();

function retryAfter(queryAgainAt: number | undefined, now: number): number {
  return queryAgainAt === undefined ? 1 : etaSeconds(queryAgainAt, now);
}
