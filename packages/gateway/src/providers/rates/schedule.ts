/** Counts calls within a rate, of which one node may have a changing part. */
export interface RateSchedule {
  /**
   * When the last of the next `calls` may go (of one by default), in the past if it could have gone already; infinitely late
   * while there is no part at all.
   */
  earliest(calls?: number): number;
  /** Counts `calls` of which the first goes at `from`, which is no earlier than `earliest()`. */
  reserve(from: number, calls?: number): void;
}

export interface RateScheduleOptions {
  readonly perSecond: number;
  /** How many may go at once after a rest; the others are spaced out evenly. */
  readonly burst: number;
  /** Milliseconds. */
  readonly now: () => number;
  /** This node's part of the rate at the moment: 0 … 1. All of it by default. */
  readonly share?: (() => number) | undefined;
}

/**
 * What was saved stays saved when the part changes, as far as the new part may save, and what was spent stays spent: a part that
 * comes and goes never lets a burst through. One call may always be saved: a small part is slow, not nothing.
 */
export function createRateSchedule({
  perSecond,
  burst,
  now,
  share = () => 1,
}: RateScheduleOptions): RateSchedule {
  const part = (): number => Math.min(1, Math.max(0, share()));
  let held = part();
  // Counted as a time: what is saved is how far it lies in the past.
  let nextAt = Number.NEGATIVE_INFINITY;
  /** Calls saved while there is no part; who begins has not called yet. */
  let idle = burst;
  const every = (): number => 1000 / (perSecond * held);
  const most = (): number => Math.max(1, burst * held);
  const soonest = (): number => Math.max(nextAt, now() - (most() - 1) * every());

  function follow(): void {
    const current = part();
    if (current === held) return;
    const saved = held === 0 ? idle : 1 + (now() - soonest()) / every();
    held = current;
    idle = Math.min(saved, most());
    if (held > 0) nextAt = now() - (idle - 1) * every();
  }

  return {
    earliest(calls = 1) {
      follow();
      return held === 0 ? Number.POSITIVE_INFINITY : soonest() + (calls - 1) * every();
    },
    reserve(from, calls = 1) {
      follow();
      if (held === 0) idle -= calls;
      else nextAt = from + calls * every();
    },
  };
}
