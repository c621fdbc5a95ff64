import type { Clock } from '../../time/clock.ts';

/**
 * The wall clock of all nodes that share a database: the server's time, advanced by this node's monotonic clock. Times that one node
 * stores and another one compares (deadlines, expiry of keys and links) must come from one clock, and a machine's clock may be days
 * off.
 */
export interface DatabaseClock extends Clock {
  /**
   * Called when a response arrives: the server's time was `at` (milliseconds UTC) at some moment since `sentAt` on the monotonic
   * clock.
   */
  received(at: number, sentAt: number): void;
}

/** `now`: milliseconds of a monotonic clock. Returns the machine's time until the server's time is known. */
export function createDatabaseClock(now: () => number, machine: Clock): DatabaseClock {
  let ahead = machine.now() - now();
  return {
    now: () => Math.floor(now() + ahead),
    received(at, sentAt) {
      const receivedAt = now();
      // The server read its time at an unknown moment between sending and receiving. Within these bounds the clock is left as it is,
      // so that it does not jitter.
      ahead = Math.min(Math.max(ahead, at - receivedAt), at - sentAt);
    },
  };
}
