import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { billableSeconds, costMicros } from '../../src/tasks/money.ts';

describe('billable seconds', () => {
  it.each([
    [4, 4, 4],
    [4, 4.04, 4],
    [4, 3.96, 4],
    [4, 3.75, 4],
    [4, 3.25, 3],
    [4, 2.1, 2],
    [4, 9, 4],
    [4, 0.2, 0],
    [4, 0, 0],
  ])('of %d asked for with %d delivered are %d', (asked, delivered, billed) => {
    expect(billableSeconds(asked, delivered)).toBe(billed);
  });

  it('are whole, never more than asked for, and never fewer for a longer video', () => {
    const seconds = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), seconds, seconds, (asked, one, other) => {
        const [shorter, longer] = [Math.min(one, other), Math.max(one, other)];
        const billed = billableSeconds(asked, longer);
        expect(Number.isInteger(billed)).toBe(true);
        expect(billed).toBeLessThanOrEqual(asked);
        expect(billed).toBeGreaterThanOrEqual(billableSeconds(asked, shorter));
      }),
    );
  });
});

describe('the cost', () => {
  it('is whole micro-units, never below zero and never more than was held', () => {
    const price = fc.record({
      currency: fc.constant('USD'),
      microsPerSecond: fc.integer({ min: 0, max: 10 ** 8 }),
      holdMicros: fc.integer({ min: 0, max: 10 ** 10 }),
    });
    fc.assert(
      fc.property(price, fc.integer({ min: 0, max: 60 }), (frozen, seconds) => {
        const cost = costMicros(frozen, seconds);
        expect(Number.isInteger(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(0);
        expect(cost).toBeLessThanOrEqual(frozen.holdMicros);
      }),
    );
  });

  it('is the rate times the seconds', () => {
    expect(costMicros({ currency: 'USD', microsPerSecond: 100_000, holdMicros: 800_000 }, 5)).toBe(500_000);
  });
});
