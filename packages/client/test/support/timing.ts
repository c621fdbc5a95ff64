import type { Timing } from '../../src/timing.ts';

/** Time that passes only by sleeping, which takes none. Chance is always the same. */
export interface TestTiming extends Timing {
  /** How long each sleep was asked to be, milliseconds. */
  readonly sleeps: number[];
}

export function createTestTiming(random = 0.5): TestTiming {
  let now = 0;
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => now,
    random: () => random,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
      now += ms;
    },
  };
}
