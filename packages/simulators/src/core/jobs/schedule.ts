import type { Clock } from '../clock.ts';

/**
 * What will happen, in order of time. One timer serves all jobs, and each read of a job settles the schedule first, so that
 * what a client sees depends on the clock alone and never on how late the timer was.
 */
export interface Schedule {
  /** Plans `run` for `at` (milliseconds UTC, unscaled). `run` gets the planned time. */
  plan(at: number, run: (at: number) => void): void;
  /** Runs all that is due, in order. */
  settle(): void;
  /** Drops what is planned. */
  close(): void;
}

interface Entry {
  readonly at: number;
  /** Breaks ties: first planned, first run. */
  readonly order: number;
  readonly run: (at: number) => void;
}

/** setTimeout fires at once for delays beyond this; waking early to look again is harmless. */
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
    // What runs may read jobs, and so settle again.
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
