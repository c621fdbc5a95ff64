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
  ])('are, of %d requested and %d delivered, %d', (asked, delivered, billed) => {
    expect(billableSeconds(asked, delivered)).toBe(billed);
  });

  it('are whole, at most the requested ones, and never fewer for a longer video', () => {
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
  it('is in whole micro-units, never negative and never more than the hold', () => {
    const price = fc.record({
      currency: fc.constant('USD'),
      microsPerSecond: fc.integer({ min: 0, max: 10 ** 8 }),
      holdMicros: fc.integer({ min: 0, max: 10 ** 10 }),
    });
    // As an upstream reports it, in however strange numbers.
    const rate = fc.record({ microsPerSecond: fc.integer(), microsPerVideo: fc.integer() });
    fc.assert(
      fc.property(price, fc.integer({ min: 0, max: 60 }), fc.option(rate), (frozen, seconds, delivered) => {
        const cost = costMicros(frozen, seconds, delivered ?? undefined);
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
