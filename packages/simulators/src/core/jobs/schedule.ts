import type { Clock } from '../clock.ts';

/**
 * Planned events in order of time. One timer serves all jobs. Each read of a job first runs the events that are due, so what a client
 * sees depends only on the clock and never on a late timer.
 */
export interface Schedule {
  /** Plans `run` for `at` (milliseconds UTC, unscaled). `run` gets the planned time. */
  plan(at: number, run: (at: number) => void): void;
  /** Runs all events that are due, in order. */
  settle(): void;
  /** Drops all planned events. */
  close(): void;
}

interface Entry {
  readonly at: number;
  /** Breaks ties: the event that was planned first runs first. */
  readonly order: number;
  readonly run: (at: number) => void;
}

/** setTimeout fires at once for longer delays. Waking early does no harm. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export function createSchedule(clock: Clock): Schedule {
  const heap: Entry[] = [];
  let planned = 0;
  let timer: NodeJS.Timeout | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let settling = false;
  let closed = false;

  function arm(): void {
    const next = heap[0];
    if (!next || closed || next.at >= wakesAt) return;
    clearTimeout(timer);
    wakesAt = next.at;
    const delay = Math.min(Math.max(0, Math.ceil(next.at - clock.now())), LONGEST_TIMEOUT_MS);
    timer = setTimeout(() => {
      wakesAt = Number.POSITIVE_INFINITY;
      settle();
    }, delay);
    timer.unref();
  }

  function settle(): void {
    // An event may read jobs and so call this again.
    if (settling) return;
    settling = true;
    try {
      const now = clock.now();
      for (let next = heap[0]; next && next.at <= now; next = heap[0]) {
        pop(heap);
        next.run(next.at);
      }
    } finally {
      settling = false;
    }
    arm();
  }

  return {
    plan(at, run) {
      if (closed) return;
      push(heap, { at, order: planned++, run });
      arm();
    },
    settle,
    close() {
      closed = true;
      clearTimeout(timer);
      heap.length = 0;
    },
  };
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (!above || !before(entry, above)) break;
    heap[index] = above;
    heap[parent] = entry;
    index = parent;
  }
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let index = 0;
  for (;;) {
    const left = heap[2 * index + 1];
    const right = heap[2 * index + 2];
    const child = left && right && before(right, left) ? 2 * index + 2 : 2 * index + 1;
    const below = heap[child];
    if (!below || !before(below, last)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
}
