import { describe, expect, it } from 'vitest';
import { remainingMs } from '../../src/tracking/remainingTime.ts';
import { estimateAfter, job, logNormalSeconds, succeededAt } from './tracking.ts';

const MINUTE = 60_000;
/** Jobs that wait 20 s and render 100 s, more or less, and report honest percentages. */
const told = estimateAfter(
  logNormalSeconds(100, 0.3, 200).map((seconds, i) => {
    const queueMs = 10_000 + (i % 5) * 5000;
    return succeededAt(queueMs / 1000 + seconds, {
      queueMs,
      renderMs: seconds * 1000,
      progress: [20, 50, 90].map((percent) => ({ percent, ageMs: queueMs + seconds * percent * 10 })),
      queue: [{ position: 2, ageMs: 1000 }],
    });
  }),
);

describe('the remaining time', () => {
  it('shrinks as a job comes close to the typical time, and is never below zero', () => {
    const medians = [0, 40, 80].map((age) => remainingMs(told, job(age)).medianMs);
    expect(medians).toEqual([...medians].sort((a, b) => b - a));
    expect(remainingMs(told, job(100_000)).medianMs).toBeGreaterThanOrEqual(0);
  });

  it('grows again for a job that lasts longer than all others did', () => {
    const estimate = estimateAfter(logNormalSeconds(60, 0.1, 300).map((one) => succeededAt(one)));
    expect(remainingMs(estimate, job(600)).medianMs).toBeGreaterThan(MINUTE);
  });

  it('has quantiles in order around the median', () => {
    const remaining = remainingMs(told, job(30));
    expect(remaining.quantile(0.1)).toBeLessThan(remaining.medianMs);
    expect(remaining.quantile(0.9)).toBeGreaterThan(remaining.medianMs);
    expect(remaining.quantile(0.5)).toBe(remaining.medianMs);
  });

  it('counts from the start of the job where that is known', () => {
    const late = remainingMs(told, job(500, { startedAgeMs: 480_000 })).medianMs;
    expect(late).toBeGreaterThan(60_000);
    expect(late).toBeLessThan(100_000);
  });

  it('of a job that still waits includes its whole render time', () => {
    expect(remainingMs(told, job(100, { state: 'queued' })).quantile(0.1)).toBeGreaterThan(50_000);
  });

  it('is longer the further behind a job is in the queue', () => {
    const behind = (queuePosition: number) =>
      remainingMs(told, job(2, { state: 'queued', queuePosition, positionAgeMs: 1000 })).medianMs;
    expect(behind(20)).toBeGreaterThan(behind(1) + 30_000);
  });

  it('follows percentages, the closer the better they have been', () => {
    const halfAt = (seconds: number, estimate = told) =>
      remainingMs(
        estimate,
        job(10 + seconds, { startedAgeMs: 10_000, progress: 50, progressAgeMs: 10_000 + seconds * 1000 }),
      );
    expect(halfAt(30).medianMs / 1000).toBeGreaterThan(25);
    expect(halfAt(30).medianMs / 1000).toBeLessThan(38);
    expect(halfAt(80).medianMs / 1000).toBeGreaterThan(65);
    const unknown = estimateAfter([]);
    const spread = (remaining: ReturnType<typeof halfAt>) =>
      remaining.quantile(0.9) - remaining.quantile(0.1);
    expect(spread(halfAt(50))).toBeLessThan(0.5 * spread(halfAt(50, unknown)));
  });

  it('soon trusts no percentage at which jobs have stuck', () => {
    const stuck = estimateAfter(
      logNormalSeconds(100, 0.3, 200).map((seconds) =>
        succeededAt(seconds, { progress: [{ percent: 99, ageMs: seconds * 200 }] }),
      ),
    );
    const remaining = remainingMs(stuck, job(21, { progress: 99, progressAgeMs: 20_000 }));
    expect(remaining.medianMs / 1000).toBeGreaterThan(60);
  });

  it('goes by the age again when a percentage has not moved for longer than it promised', () => {
    const remaining = remainingMs(told, job(90, { startedAgeMs: 0, progress: 90, progressAgeMs: 20_000 }));
    expect(remaining.quantile(0.9)).toBeGreaterThan(20_000);
  });

  it.each([0, 100, -3, 250, Number.NaN])('makes nothing of a percentage of %d', (progress) => {
    const plain = remainingMs(told, job(30)).medianMs;
    expect(remainingMs(told, job(30, { progress, progressAgeMs: 20_000 })).medianMs).toBe(plain);
  });

  it('takes fractions of a percent for what they are', () => {
    const at = (progress: number) =>
      remainingMs(told, job(10, { startedAgeMs: 0, progress, progressAgeMs: 10_000 })).medianMs;
    expect(at(20.4)).toBeLessThan(at(20));
    expect(at(20.4)).toBeGreaterThan(at(21));
  });
});
