import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateSchedule } from '../../../src/providers/rates/schedule.ts';

/** A schedule whose clock and share the test controls. */
function held({ perSecond = 10, burst = 10, share = 1 } = {}) {
  let now = 1_000_000;
  let part = share;
  const allowance = createRateSchedule({ perSecond, burst, now: () => now, share: () => part });
  return {
    allowance,
    pass(ms: number) {
      now += ms;
    },
    hold(next: number) {
      part = next;
    },
    /** Takes all calls that may go now. */
    drain(): number {
      let taken = 0;
      for (; allowance.earliest() <= now; taken++) allowance.reserve(allowance.earliest());
      return taken;
    },
    wait: () => allowance.earliest() - now,
  };
}

describe('a rate of which a node has a changing part', () => {
  it('allows that part of the burst and of the rate', () => {
    const node = held({ share: 0.5 });
    expect(node.drain()).toBe(5);
    node.pass(1000);
    expect(node.drain()).toBe(5);
  });

  it('lets no burst through when the part grows', () => {
    const node = held({ share: 0.1 });
    node.drain();
    node.hold(1);
    expect(node.drain()).toBe(0);
    node.pass(200);
    expect(node.drain()).toBe(2);
  });

  it('forgets saved calls beyond a smaller part, but never spent ones', () => {
    const node = held();
    node.hold(0.2);
    expect(node.drain()).toBe(2);
    expect(node.wait()).toBeCloseTo(500);
    node.hold(1);
    expect(node.wait()).toBeCloseTo(100);
  });

  it('lets nothing go without a part, and continues with the next part', () => {
    const node = held();
    node.drain();
    node.hold(0);
    node.pass(60_000);
    expect(node.wait()).toBe(Number.POSITIVE_INFINITY);
    node.hold(1);
    node.pass(100);
    expect(node.drain()).toBe(1);
  });

  it('saves one call however small the part is', () => {
    const node = held({ perSecond: 1, burst: 1, share: 0.01 });
    expect(node.drain()).toBe(1);
    node.pass(99_000);
    expect(node.drain()).toBe(0);
    node.pass(1001);
    expect(node.drain()).toBe(1);
  });

  it('is kept by all nodes together however their parts change', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 10 }), fc.nat({ max: 2000 })), { minLength: 1, maxLength: 50 }),
        (moves) => {
          const [a, b] = [held({ share: 0.5 }), held({ share: 0.5 })];
          let passed = 0;
          let taken = a.drain() + b.drain();
          for (const [tenths, ms] of moves) {
            a.hold(tenths / 10);
            b.hold(1 - tenths / 10);
            for (const node of [a, b]) {
              taken += node.drain();
              node.pass(ms);
              taken += node.drain();
            }
            passed += ms;
          }
          // Ten a second, a burst of ten, and one call that each of the two nodes may save.
          expect(taken).toBeLessThanOrEqual((passed / 1000) * 10 + 10 + 2);
        },
      ),
    );
  });
});
