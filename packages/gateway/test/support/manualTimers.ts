import type { Timers } from '../../src/engine/timers.ts';
import { START_OF_TIME } from './builders.ts';

/** Time that moves only when it is told to. */
export interface ManualTimers extends Timers {
  /** When the next timer is due, or undefined where nothing waits. */
  nextAt(): number | undefined;
  /** Moves the clock to `time` and fires what is due by then. */
  moveTo(time: number): void;
}

export function createManualTimers(start = START_OF_TIME): ManualTimers {
  let now = start;
  let closed = false;
  const waiting = new Set<{ at: number; fire: () => void }>();

  function earliest() {
    let first: { at: number; fire: () => void } | undefined;
    for (const timer of waiting) if (!first || timer.at < first.at) first = timer;
    return first;
  }

  return {
    now: () => now,
    at(time, fire) {
      const timer = { at: time, fire };
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
