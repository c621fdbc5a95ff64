import type { Clock } from '../../time/clock.ts';

/**
 * The wall clock of all nodes of a database: its server's time, carried on by this node's monotonic clock. What one node stores and
 * another one judges (deadlines, the life of a key or a link) must be by one clock; that of a node's machine may be days off.
 */
export interface DatabaseClock extends Clock {
  /** An answer has just arrived: the server's time (milliseconds UTC) was `at`, some time after `sentAt` by the monotonic clock. */
  heard(at: number, sentAt: number): void;
}

/** `now`: milliseconds of a clock that never jumps. Shows the machine's time until the server's was heard. */
export function createDatabaseClock(now: () => number, machine: Clock): DatabaseClock {
  let ahead = machine.now() - now();
  return {
    now: () => Math.floor(now() + ahead),
    heard(at, sentAt) {
      const received = now();
      // Between the two the server told its time, nobody knows when. Within that the clock stays as it is: it must not shake.
      ahead = Math.min(Math.max(ahead, at - received), at - sentAt);
    },
  };
}
