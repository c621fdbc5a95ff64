import { type Clock, momentAt } from '../../src/time/clock.ts';
import type { Timers } from '../../src/time/timers.ts';
import { START_OF_TIME } from './builders.ts';

/** Time that moves only when the test moves it. Its wall clock follows that time until it is set. */
export interface ManualTimers extends Timers, Clock {
  /** When the next timer is due, or undefined if none waits; in milliseconds UTC of a wall clock that was never set. */
  nextAt(): number | undefined;
  /** Moves time to `time`, as above, and fires the timers that are due. */
  moveTo(time: number): void;
  /** The time of a wall clock that was never set. */
  trueTime(): number;
  /** Sets the wall clock forward or back; no time passes. */
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
      // Like the real timers, never too early: a callback finds that its time has come.
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
      // Only timers that were due on arrival: one that sets itself again for now fires with the next move.
      const due = [...waiting].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
      for (const timer of due) if (waiting.delete(timer)) timer.fire();
    },
  };
}
