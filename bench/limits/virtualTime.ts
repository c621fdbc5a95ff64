import { type EngineParts, momentAt } from '@onetake/gateway';

type Timers = EngineParts['timers'];

/** Time that moves only when the bench moves it, from one timer to the next. */
export interface VirtualTime {
  /** Milliseconds since it began. */
  now(): number;
  /** Timers of one node, whose monotonic clock is `aheadMs` ahead. `close` ends them, as the end of a process does. */
  timers(aheadMs: number): Timers;
  /** When the next timer is due; infinite if none waits. */
  nextAt(): number;
  moveTo(time: number): void;
}

interface Timer {
  readonly at: number;
  readonly fire: () => void;
}

/** Timers fire up to this late, as those of a busy process do; and an hour takes fewer steps. Milliseconds. */
const GRID_MS = 10;

export function createVirtualTime(random: () => number): VirtualTime {
  const waiting = new Set<Timer>();
  let now = 0;
  return {
    now: () => now,
    timers(aheadMs) {
      const own = new Set<Timer>();
      let closed = false;
      return {
        monotonic: () => momentAt(now + aheadMs),
        after(ms, fire) {
          const timer = {
            at: Math.ceil((now + Math.max(0, ms)) / GRID_MS) * GRID_MS,
            fire: () => void (own.delete(timer) && fire()),
          };
          if (!closed) {
            own.add(timer);
            waiting.add(timer);
          }
          return () => {
            own.delete(timer);
            waiting.delete(timer);
          };
        },
        close() {
          closed = true;
          for (const timer of own) waiting.delete(timer);
          own.clear();
        },
      };
    },
    nextAt: () =>
      waiting.values().reduce((soonest, { at }) => Math.min(soonest, at), Number.POSITIVE_INFINITY),
    moveTo(time) {
      now = Math.max(now, time);
      // Of timers that are due together, each may be the first, as those of different processes.
      const due = [...waiting]
        .filter(({ at }) => at <= now)
        .map((timer) => ({ timer, order: random() }))
        .sort((a, b) => a.timer.at - b.timer.at || a.order - b.order);
      for (const { timer } of due) if (waiting.delete(timer)) timer.fire();
    },
  };
}
