/** Spaces calls within a rate. A node may have a part of the rate, and the part may change. */
export interface RateSchedule {
  /**
   * The earliest time for the last of the next `calls` (one by default). It is in the past if the call could have gone already,
   * and infinite while this node has no part of the rate.
   */
  earliest(calls?: number): number;
  /** Records `calls`, the first of them at `from`, which is no earlier than `earliest()`. */
  reserve(from: number, calls?: number): void;
}

export interface RateScheduleOptions {
  readonly perSecond: number;
  /** How many calls may go at once after a pause. Further calls are spaced evenly. */
  readonly burst: number;
  /** Milliseconds. */
  readonly now: () => number;
  /** This node's current part of the rate: 0 … 1. All of it by default. */
  readonly share?: (() => number) | undefined;
}

/**
 * When the part changes, saved calls stay saved, up to the burst of the new part, and spent calls stay spent. So a part that comes
 * and goes never lets a burst through. At least one call can always be saved, so a small part is slow but not zero.
 */
export function createRateSchedule({
  perSecond,
  burst,
  now,
  share = () => 1,
}: RateScheduleOptions): RateSchedule {
  const part = (): number => Math.min(1, Math.max(0, share()));
  let held = part();
  // Saved calls are counted as time: the further this lies in the past, the more calls are saved.
  let nextAt = Number.NEGATIVE_INFINITY;
  /** Calls saved while this node has no part. At the start no call has been made, so all are saved. */
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
