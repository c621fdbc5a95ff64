import { describe, expect, it } from 'vitest';
import { typicalTimeScheduler } from '../../../src/engine/stages/pollScheduler.ts';

const SECOND = 1000;
const typical = { medianSeconds: 100, p90Seconds: 200 };
const { nextDelay, remaining } = typicalTimeScheduler;

describe('the expected duration of a task', () => {
  it.each<[string, number, number | undefined, number]>([
    ['at first the median', 0, undefined, 100],
    ['later the rest of it', 60, undefined, 40],
    ['at the median a tenth of it', 100, undefined, 10],
    ['no less soon after it', 119, undefined, 10],
    ['in the tail half of the delay', 140, undefined, 20],
    ['by the upstream’s percentage', 30, 50, 30],
    ['by the percentage also in the tail', 300, 75, 100],
    ['from five percent on', 30, 5, 570],
    ['but not by less, which is too imprecise', 30, 4, 70],
    ['nothing more if the upstream reports 100 percent', 30, 100, 0],
  ])('is %s', (_what, age, progress, seconds) => {
    expect(remaining({ ageMs: age * SECOND, typical, ...(progress === undefined ? {} : { progress }) })).toBe(
      seconds * SECOND,
    );
  });
});

describe('the next poll', () => {
  it.each<[string, number, number | undefined, number]>([
    ['is late while the task cannot have ended', 0, undefined, 30],
    ['is soon from half the median on', 50, undefined, 5],
    ['and around it', 100, undefined, 5],
    ['and until the delay of the task stretches it', 150, undefined, 5],
    ['by a tenth of the delay', 200, undefined, 10],
    ['comes after half a minute at the latest', 4000, undefined, 30],
  ])('%s', (_what, age, progress, seconds) => {
    const delay = nextDelay({
      ageMs: age * SECOND,
      typical,
      ...(progress === undefined ? {} : { progress }),
      minIntervalMs: 1000,
    });
    expect(delay).toBe(seconds * SECOND);
  });

  it('comes early if an early failure is likely, and after at most a third of the remaining time', () => {
    const short = { medianSeconds: 40, p90Seconds: 80 };
    const early = (ageMs: number, progress?: number) =>
      nextDelay({
        ageMs,
        typical: short,
        ...(progress === undefined ? {} : { progress }),
        minIntervalMs: 1000,
      });
    expect(early(0)).toBeCloseTo(40_000 / 3);
    // A quarter of the median if the upstream's progress says that less is left.
    expect(early(10_000, 90)).toBe(10_000);
    expect(early(10_000, 20)).toBeCloseTo(40_000 / 3);
    expect(early(20_000)).toBe(2000);
  });

  it('keeps the interval that the account requires, within half a minute', () => {
    const asked = (minIntervalMs: number) => nextDelay({ ageMs: 100 * SECOND, typical, minIntervalMs });
    expect(asked(7000)).toBe(7000);
    expect(asked(60_000)).toBe(30_000);
  });
});
