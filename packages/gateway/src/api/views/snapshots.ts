import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Engine } from '../../engine/engine.ts';
import type { Feed } from '../../engine/events/feed.ts';
import type { Waiting } from '../../engine/stages/waiting.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { Clock } from '../../time/clock.ts';
import { createReads } from '../reads.ts';
import { etaSeconds, taskView, urlsOf, type ViewParts } from './task.ts';

/** A query's answer, serialised once for every client that asks. */
export interface Snapshot {
  /** As much of the task as decides about its answer: a whole one, with its prompt, would double what an answer costs. */
  readonly task: Pick<Task, 'projectId' | 'phase' | 'startedAt' | 'version' | 'deletedAt'>;
  readonly body: Buffer;
  readonly etag: string;
  /** Seconds, for `Retry-After`; undefined once finished. */
  readonly retryAfter: string | undefined;
  /** Milliseconds UTC after which the answer is made anew, also where the wall clock was set forward: its links are signed by that. */
  readonly freshUntil: number;
}

/** Reads tasks for the hot path: from memory while nothing changed, else from the engine. */
export interface Snapshots {
  read(taskId: string): Promise<Snapshot | undefined>;
  /** The answer if it is in memory and fresh: no promise on the hottest path. */
  cached(taskId: string): Snapshot | undefined;
  of(task: Task): Promise<Snapshot>;
}

/** Bytes of answers kept; those that nobody has asked for the longest go first. About a kilobyte each. */
const CACHE_BYTES = 32 * 2 ** 20;
/** Bytes that keeping an answer costs beside its body. */
const OVERHEAD = 700;
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
  readonly waiting: Engine['waiting'];
  /** Whether what others change is told at this moment; while it is not, what is unfinished is read each time. */
  readonly held: () => boolean;
  readonly feed: Feed;
  readonly clock: Clock;
  /** Milliseconds of a clock that never goes back: a wall clock that is set back must not keep an answer for longer. */
  readonly monotonic?: () => number;
}

export function createSnapshots(parts: SnapshotParts): Snapshots {
  const { readTask, live, waiting: waitingOf, held, feed, clock, ...view } = parts;
  const monotonic = parts.monotonic ?? (() => performance.now());
  const cache = new LRUCache<string, Snapshot>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ body }) => body.length + OVERHEAD,
    ttl: LINK_FRESH_MS,
    ttlResolution: 0,
    perf: { now: monotonic },
  });
  let purgeAt = monotonic() + LINK_FRESH_MS;
  const reads = createReads();
  // Changes are durable before they are published: what is read after this is the new truth.
  feed.onChange(({ task }) => forget(task.id));
  feed.onInvalidate(forget);

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
    const waiting = waitingOf(task);
    const body = unpooled(JSON.stringify(taskView(task, { live: progress, waiting }, now, urls)));
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
      body,
      etag: finished ? strongEtag(body) : weakEtag(version, progress?.percent, waiting),
      retryAfter: finished ? undefined : String(retryAfter(progress?.expectedAt, now)),
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
    // What nobody asks for again would stay until the bytes are needed.
    cache.purgeStale();
    purgeAt = monotonic() + LINK_FRESH_MS;
  }

  /** What is finished never changes; a deletion is told. */
  const mayServe = (task: Snapshot['task']): boolean => isTerminal(task.phase) || held();

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
        const { task, keep: mayKeep } = found;
        const snapshot = await build(task);
        // Under the task's own copy of its id: the caller's is a slice of the whole URL, which it would keep in memory.
        if (read.current && (mayKeep || isTerminal(task.phase)) && mayServe(task)) keep(task.id, snapshot);
        return snapshot;
      } finally {
        stop();
        reads.end(read);
      }
    },
  };
}

const strongEtag = (body: Buffer): string => `"${hash('sha1', body, 'hex')}"`;

/** The tag of an unfinished task's answer. It does not change if only the `eta` does, so it is weak. */
function weakEtag(version: number, percent = 0, waiting?: Waiting): string {
  const { reason, retryAt = 0 } = waiting ?? {};
  const suffix = waiting ? `-${hash('sha1', `${reason} ${retryAt}`, 'hex').slice(0, 8)}` : '';
  return `W/"${version}-${percent}${suffix}"`;
}

/** Bytes of their own: those of `Buffer.from` are a slice of a pool of 64 KiB, all of which one kept slice keeps in memory. */
function unpooled(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function retryAfter(expectedAt: number | undefined, now: number): number {
  return expectedAt === undefined ? 1 : Math.min(MAX_RETRY_AFTER, etaSeconds(expectedAt, now));
}
