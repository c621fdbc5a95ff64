import { describe, expect, it } from 'vitest';
import { frugalPrice } from '../../src/tracking/frugalPrice.ts';
import { nextPollMs } from '../../src/tracking/nextPoll.ts';
import { estimateAfter, job, logNormalSeconds, succeededAt } from './tracking.ts';

/** The delays of jobs of these durations if they are polled at this price, in order. */
function delays(seconds: readonly number[], price: number): { delays: number[]; polls: number } {
  const estimate = estimateAfter(seconds.map((one) => succeededAt(one)));
  let polls = 0;
  const found = seconds.map((end) => {
    for (let age = 0; ; ) {
      const request = { estimate, price, minIntervalMs: 1000, maxGapMs: 3_600_000, reliability: 0 };
      age += nextPollMs({ ...request, job: job(age) }).ms / 1000;
      polls++;
      if (age >= end) return age - end;
    }
  });
  return { delays: found.sort((a, b) => a - b), polls: polls / seconds.length };
}

describe('a frugal price', () => {
  it.each([20, 150, 900])('is as high as a delay below a tenth of the median (%i s) allows', (median) => {
    const seconds = logNormalSeconds(median, 0.4, 300);
    const estimate = estimateAfter(seconds.map((one) => succeededAt(one)));
    const price = frugalPrice(estimate, 1000);
    const p95 = delays(seconds, price).delays[Math.floor(0.95 * seconds.length)] ?? 0;
    expect(p95 / median).toBeLessThan(0.12);
    expect(p95 / median).toBeGreaterThan(0.07);
    expect(delays(seconds, price).polls).toBeLessThan(25);
  });

  it('is low, and not nothing, where the polite interval is too long for that', () => {
    const estimate = estimateAfter(logNormalSeconds(5, 0.2, 100).map((one) => succeededAt(one)));
    expect(frugalPrice(estimate, 10_000)).toBeGreaterThan(0);
    expect(frugalPrice(estimate, 10_000)).toBeLessThan(1);
  });
});
