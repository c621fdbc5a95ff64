import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextPollMs, type PollRequest } from '../../src/tracking/nextPoll.ts';
import { estimateAfter, job, logNormalSeconds, succeededAt } from './tracking.ts';

const SORA = estimateAfter(logNormalSeconds(150, 0.3, 300).map((one) => succeededAt(one)));
const next = (more: Partial<PollRequest> = {}) =>
  nextPollMs({
    estimate: SORA,
    job: job(0),
    price: 1000,
    minIntervalMs: 1000,
    maxGapMs: 600_000,
    reliability: 0,
    ...more,
  });

/** The ages, in seconds, at which a job of a thousand seconds is polled at this price. */
function schedule(price: number): number[] {
  const ages: number[] = [];
  for (let age = 0; age < 1000; ) {
    age += next({ job: job(age), price }).ms / 1000;
    ages.push(age);
  }
  return ages;
}

describe('the next poll', () => {
  it('comes late while nothing can have ended, and often when most end', () => {
    const ages = schedule(300);
    const rate = (from: number, to: number) =>
      ages.filter((age) => age >= from && age < to).length / (to - from);
    expect(rate(100, 220)).toBeGreaterThan(3 * rate(5, 65));
    expect(rate(100, 220)).toBeGreaterThan(1.5 * rate(600, 1000));
  });

  it('comes at the polite interval when polls are worth next to nothing', () => {
    expect(next({ job: job(150), price: 0 }).ms).toBe(1000);
    expect(next({ job: job(150), price: 0, minIntervalMs: 3000 }).ms).toBe(3000);
  });

  it('waits less, as the price falls', () => {
    const counts = [10_000, 1000, 100, 10].map((price) => schedule(price).length);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts[3]).toBeGreaterThan(5 * (counts[0] ?? 0));
  });

  it('counts from the last poll, and is due at once if that is long ago', () => {
    const polled = next({ job: job(150), price: 300 }).ms;
    const later = { ...job(150), ageMs: 150_000 + 500 };
    expect(next({ job: later, price: 300 }).ms).toBeCloseTo(polled - 500, 6);
    expect(next({ job: { ...later, ageMs: 999_000 }, price: 300 }).ms).toBe(0);
  });

  it('thins out as far as callbacks can be relied upon, to the greatest gap', () => {
    const gaps = [0, 0.5, 0.9, 0.99].map((reliability) => next({ job: job(150), price: 20, reliability }).ms);
    expect(gaps).toEqual([...gaps].sort((a, b) => a - b));
    expect(gaps[3]).toBeGreaterThan(5 * (gaps[0] ?? 0));
    expect(next({ job: job(150), reliability: 1, maxGapMs: 60_000 }).ms).toBe(60_000);
  });

  it('comes soon when the upstream says that the job is nearly done', () => {
    const early = next({ job: job(20), price: 300 }).ms;
    const nearlyDone = job(20, { startedAgeMs: 0, progress: 95, progressAgeMs: 20_000 });
    expect(next({ job: nearlyDone, price: 300 }).ms).toBeLessThan(early / 3);
  });

  it('comes in time to see the start of a job that waits, though it cannot end before long', () => {
    const waited = logNormalSeconds(100, 0.2, 200).map((seconds, i) => {
      const queueMs = 10_000 + (i % 20) * 1000;
      return succeededAt(queueMs / 1000 + seconds, { queueMs, renderMs: seconds * 1000 });
    });
    const estimate = estimateAfter(waited);
    const waiting = next({ estimate, job: job(15, { state: 'queued' }), price: 10 }).ms;
    const started = next({ estimate, job: job(15, { startedAgeMs: 15_000 }), price: 10 }).ms;
    expect(waiting).toBeLessThan(5000);
    expect(started).toBeGreaterThan(1.3 * waiting);
  });

  it('tells by the weight how often the job wants to be polled at another price', () => {
    for (const price of [10, 1000]) {
      const { ms, weight } = next({ job: job(140), price });
      expect(Math.sqrt(price) / weight).toBeCloseTo(ms, 6);
    }
    const wanted = Math.sqrt(40) / next({ job: job(140), price: 10 }).weight;
    expect(next({ job: job(140), price: 40 }).ms / wanted).toBeGreaterThan(0.8);
    expect(next({ job: job(140), price: 40 }).ms / wanted).toBeLessThan(1.25);
  });

  it('is never before the polite interval nor after the greatest gap, whatever is known of the job', () => {
    const ms = fc.double({ min: 0, max: 2e8, noNaN: true });
    const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
    const jobs = fc.record({
      ageMs: ms,
      lastPollAgeMs: ms,
      state: fc.constantFrom('queued' as const, 'running' as const),
      startedAgeMs: optional(ms),
      progress: optional(fc.double({ min: -10, max: 200 })),
      progressAgeMs: optional(ms),
      queuePosition: optional(fc.integer({ min: -1, max: 1000 })),
      positionAgeMs: optional(ms),
    });
    fc.assert(
      fc.property(
        jobs,
        fc.double({ min: 0, max: 1e7, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (one, price, reliability) => {
          const found = next({ job: { ...one, ageMs: one.lastPollAgeMs }, price, reliability });
          expect(found.ms).toBeGreaterThanOrEqual(1000 - 1e-3);
          expect(found.ms).toBeLessThanOrEqual(600_000 + 1e-3);
          expect(found.weight).toBeGreaterThan(0);
          expect(Number.isFinite(found.weight)).toBe(true);
        },
      ),
    );
  });
});
