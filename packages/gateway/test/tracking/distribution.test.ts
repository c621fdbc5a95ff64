import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BINS, binOf, EDGES, middleMs, smooth, sum } from '../../src/tracking/bins.ts';
import {
  type Distribution,
  logNormal,
  mix,
  quantileAfter,
  sumOf,
  survivalAt,
} from '../../src/tracking/distribution.ts';

describe('bins', () => {
  it('reach from zero to a day, each a little wider than the one before', () => {
    expect(EDGES[0]).toBe(0);
    expect(EDGES[BINS]).toBeGreaterThanOrEqual(86_400_000);
    expect(BINS).toBeLessThan(160);
  });

  it('hold every duration', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        const bin = binOf(ms);
        expect(bin).toBeGreaterThanOrEqual(0);
        expect(bin).toBeLessThan(BINS);
        if (ms < 86_400_000) {
          expect(EDGES[bin]).toBeLessThanOrEqual(ms * (1 + 1e-12));
          expect(EDGES[bin + 1]).toBeGreaterThanOrEqual(ms * (1 - 1e-12));
        }
      }),
    );
    expect(binOf(middleMs(40))).toBe(40);
  });

  it('lose no count when they are smoothed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: BINS, maxLength: BINS }),
        (counts) => {
          const smoothed = smooth(Float64Array.from(counts), (bin) => 1 + bin / 50);
          expect(sum(smoothed)).toBeCloseTo(
            counts.reduce((a, b) => a + b, 0),
            6,
          );
        },
      ),
    );
  });
});

const meanOf = ({ mass }: Distribution) => mass.reduce((mean, part, bin) => mean + part * middleMs(bin), 0);

describe('a distribution', () => {
  it('of a logarithm that is normal has the quantiles of the table', () => {
    const distribution = logNormal(100_000, 0.5);
    expect(quantileAfter(distribution, 0, 0.5) / 100_000).toBeCloseTo(1, 2);
    expect(quantileAfter(distribution, 0, 0.9) / 100_000).toBeCloseTo(Math.exp(0.5 * 1.2816), 1);
    expect(meanOf(distribution) / 100_000).toBeCloseTo(Math.exp(0.125), 1);
  });

  it('has quantiles that survival inverts, also of what is left after some time', () => {
    const distribution = mix(logNormal(60_000, 0.2), logNormal(240_000, 0.3), 0.6);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 400_000, noNaN: true }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (after, p) => {
          const quantile = quantileAfter(distribution, after, p);
          expect(quantile).toBeGreaterThanOrEqual(after);
          expect(survivalAt(distribution, quantile)).toBeCloseTo(
            (1 - p) * survivalAt(distribution, after),
            6,
          );
        },
      ),
    );
  });

  it('of a sum has the sum of the means', () => {
    const [one, other] = [logNormal(20_000, 0.4), logNormal(100_000, 0.3)];
    expect(meanOf(sumOf(one, other, 0)) / (meanOf(one) + meanOf(other))).toBeCloseTo(1, 1);
    expect(survivalAt(sumOf(one, other, 90_000), 100_000)).toBeGreaterThan(0.99);
  });
});
