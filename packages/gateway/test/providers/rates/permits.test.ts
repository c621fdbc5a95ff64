import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLocalPermits, type Rate } from '../../../src/providers/rates/permits.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

function permits(rate: Rate) {
  const timers = createManualTimers();
  const own = createLocalPermits(rate, timers);
  return {
    ...own,
    pass: (ms: number) => timers.moveTo(timers.now() + ms),
    /** Takes all that are ready. */
    drain(): number {
      let taken = 0;
      for (; own.readyIn() === 0; taken++) own.take();
      return taken;
    },
  };
}

describe('the permits of a single node', () => {
  it('are a burst after a pause, and then evenly spaced', () => {
    const node = permits({ perSecond: 10, burst: 5 });
    expect(node.drain()).toBe(5);
    expect(node.readyIn()).toBe(100);
    node.pass(99);
    expect([node.readyIn(), node.drain()]).toEqual([1, 0]);
    node.pass(1);
    expect(node.drain()).toBe(1);
    node.pass(60_000);
    expect(node.drain()).toBe(5);
  });

  it('tell when several are ready together', () => {
    const node = permits({ perSecond: 10, burst: 5 });
    expect([node.readyIn(5), node.readyIn(7)]).toEqual([0, 200]);
    node.take(3);
    expect([node.readyIn(2), node.readyIn(3)]).toEqual([0, 100]);
  });

  it('are one at a time if the burst is smaller than one', () => {
    const node = permits({ perSecond: 0.5, burst: 0.5 });
    expect(node.drain()).toBe(1);
    expect(node.readyIn()).toBe(2000);
  });

  it('never exceed the rate and the burst, whenever they are taken', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2000 }), { minLength: 1, maxLength: 50 }), (pauses) => {
        const node = permits({ perSecond: 10, burst: 4 });
        let passed = 0;
        let taken = node.drain();
        for (const ms of pauses) {
          node.pass(ms);
          passed += ms;
          taken += node.drain();
        }
        expect(taken).toBeLessThanOrEqual((passed / 1000) * 10 + 4);
      }),
    );
  });
});
