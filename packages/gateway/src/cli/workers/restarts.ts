/** A worker that has ended, and those beside it. */
export interface EndedWorker {
  /** Its exit code; null if a signal ended it. */
  readonly code: number | null;
  /** How many times in a row it has ended before it had served for `STEADY_MS`, this time included. */
  readonly shortRuns: number;
  /** Whether it has served at all, in this run or an earlier one. */
  readonly hasServed: boolean;
  /** Whether another worker serves now. */
  readonly othersServe: boolean;
  /** Whether any worker has served since the start. */
  readonly anyHasServed: boolean;
}

/** A worker that has served for as long as this starts again at once. Milliseconds. */
export const STEADY_MS = 60_000;
/** The pause after the first short run; it doubles with each further one. Milliseconds. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** A worker that cannot start is tried so many times, for about two seconds. */
const SHORT_RUNS = 4;

/**
 * How long to wait before a worker is started again, in milliseconds. Undefined if that is of no use, and the gateway should end as the
 * worker has, so that whoever started it learns why: the first worker did not start, this one cannot be started, or none serves any more.
 * A worker that has served is tried for as long as others serve: they go on meanwhile.
 */
export function pauseBefore(worker: EndedWorker): number | undefined {
  const { code, shortRuns, hasServed, othersServe, anyHasServed } = worker;
  // As without workers: whoever started the gateway may try again, with the same settings or better ones.
  if (code !== null && !anyHasServed) return undefined;
  if (shortRuns >= SHORT_RUNS && !(hasServed && othersServe)) return undefined;
  if (shortRuns === 0) return 0;
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (shortRuns - 1));
}
