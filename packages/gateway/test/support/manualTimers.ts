import { type Clock, momentAt } from '../../src/time/clock.ts';
import type { Timers } from '../../src/time/timers.ts';
import { START_OF_TIME } from './builders.ts';

/** Time that moves only when it is told to. Its wall clock shows that time until it is set. */
export interface ManualTimers extends Timers, Clock {
  /** When the next timer is due, or undefined where nothing waits; in milliseconds UTC of a wall clock that nobody set. */
  nextAt(): number | undefined;
  /** Moves time to `time`, as above, and fires what is due by then. */
  moveTo(time: number): void;
  /** What time it is by a wall clock that nobody set. */
  trueTime(): number;
  /** Sets the wall clock so much forward, or back; no time passes. */
  setWallClock(byMs: number): void;
}

export function createManualTimers(start = START_OF_TIME): ManualTimers {
  let now = start;
  let skew = 0;
  let closed = false;
  const waiting = new Set<{ at: number; fire: () => void }>();

  function earliest() {
    let first: { at: number; fire: () => void } | undefined;
    for (const timer of waiting) if (!first || timer.at < first.at) first = timer;
    return first;
  }

  return {
    now: () => now + skew,
    trueTime: () => now,
    monotonic: () => momentAt(now - start),
    setWallClock(byMs) {
      skew += byMs;
    },
    after(ms, fire) {
      // Like the real ones, never too early: whoever waited finds that the time has come.
      const timer = { at: now + Math.max(0, Math.ceil(ms)), fire };
      if (!closed) waiting.add(timer);
      return () => waiting.delete(timer);
    },
    close() {
      closed = true;
      waiting.clear();
    },
    nextAt: () => earliest()?.at,
    moveTo(time) {
      now = Math.max(now, time);
      // Only what was due when the clock arrived: a timer that sets itself again for now has its turn at the next move.
      const due = [...waiting].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
      for (const timer of due) if (waiting.delete(timer)) timer.fire();
    },
  };
}
