import type { Log } from '../../observability/log.ts';
import { type Clock, later, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';

/** Notices that the wall clock was set forward while this process ran. */
export interface ClockSteps {
  /** What to tell an operator; undefined while the wall clock can be believed. */
  warning(): string | undefined;
}

interface ClockStepsParts {
  readonly clock: Clock;
  readonly timers: MonotonicClock;
  readonly log: Pick<Log, 'error' | 'warn'>;
}

/** Corrections of a time service are seconds; a machine that slept for less loses nothing by it. Milliseconds. */
const BOUND_MS = 900_000;
/** How long an operator has to notice before the new time is believed, as that of a machine that has slept must be. Milliseconds. */
const HOLD_MS = 24 * 3_600_000;

/**
 * A clock that is set forward by mistake makes everything stored look old, and what is removed by age is gone for good. So while the
 * wall clock is ahead of what has passed by the monotonic clock since the start, nothing is removed: until it is set back, a day has
 * passed, or the gateway is restarted with it. One that is set back only makes things be kept longer.
 */
export function createClockSteps({ clock, timers, log }: ClockStepsParts): ClockSteps {
  const start = timers.monotonic();
  /** What the wall clock showed at the start, as far as it is believed. */
  let origin = clock.now();
  let believedFrom: Moment | undefined;

  return {
    warning() {
      const now = timers.monotonic();
      const aheadMs = clock.now() - (origin + msBetween(start, now));
      // Set back: believed at once, so that setting it right again later is no step forward.
      if (aheadMs < -BOUND_MS) origin += aheadMs;
      if (aheadMs <= BOUND_MS) {
        believedFrom = undefined;
        return undefined;
      }
      const minutes = Math.round(aheadMs / 60_000);
      if (believedFrom === undefined) {
        believedFrom = later(now, HOLD_MS);
        log.error(
          { event: 'clock.stepped', minutes },
          'the wall clock was set forward; nothing is removed by its age until it is set back, a day has passed, or the gateway is restarted',
        );
      }
      if (now < believedFrom) {
        return `The clock of this machine was set forward by ${minutes} minutes; until that is mended or confirmed by a restart, nothing is removed by its age.`;
      }
      origin += aheadMs;
      believedFrom = undefined;
      log.warn(
        { event: 'clock.believed', minutes },
        'the wall clock stayed as it was set for a day; it is believed now',
      );
      return undefined;
    },
  };
}
