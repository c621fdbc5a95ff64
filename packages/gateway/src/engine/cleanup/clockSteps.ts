import type { Cluster } from '../../cluster/cluster.ts';
import type { Log } from '../../observability/log.ts';
import { type Clock, later, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';

/** Detects that the wall clock was set forward while this process was running. */
export interface ClockSteps {
  /** A warning for the operator; undefined while the wall clock is trusted. */
  warning(): string | undefined;
}

interface ClockStepsParts {
  readonly clock: Clock;
  readonly timers: MonotonicClock;
  readonly log: Pick<Log, 'error' | 'warn'>;
  /** Its `shared` tells whose clock it is. */
  readonly cluster: Pick<Cluster, 'shared'>;
}

/** Larger steps than this are suspicious: a time service corrects by seconds. Milliseconds. */
const BOUND_MS = 900_000;
/** After this time a new wall clock time is trusted, as it must be on a machine that was suspended. Milliseconds. */
const HOLD_MS = 24 * 3_600_000;

/**
 * If the wall clock is set forward by mistake, all stored media looks expired, and removal cannot be undone. So nothing is removed
 * while the wall clock is ahead of the monotonic clock since the start: until it is set back, a day has passed, or the gateway is
 * restarted. A clock that is set back only delays removal.
 */
export function createClockSteps({ clock, timers, log, cluster }: ClockStepsParts): ClockSteps {
  const start = timers.monotonic();
  /** The trusted wall clock time at the start. */
  let origin = clock.now();
  let believedFrom: Moment | undefined;

  return {
    warning() {
      const now = timers.monotonic();
      const aheadMs = clock.now() - (origin + msBetween(start, now));
      // A step back is trusted at once, so that a later correction does not count as a step forward.
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
          'the wall clock was set forward; nothing is removed because of its age until it is set back, a day has passed, or the gateway is restarted',
        );
      }
      if (now < believedFrom) {
        return `The clock of ${cluster.shared ? 'the database server' : 'this machine'} was set forward by ${minutes} minutes; until that is corrected, or confirmed by a restart, nothing is removed because of its age.`;
      }
      origin += aheadMs;
      believedFrom = undefined;
      log.warn(
        { event: 'clock.believed', minutes },
        'the wall clock was set forward a day ago and was not set back; it is trusted again',
      );
      return undefined;
    },
  };
}
