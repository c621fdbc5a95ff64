import { expect, it } from 'vitest';
import { pauseAfter } from '../../src/webhooks/schedule.ts';

const now = Date.parse('2026-11-30T06:00:00Z');
const pause = (tries: number, { retryAfter, random = 0 }: { retryAfter?: string; random?: number } = {}) =>
  pauseAfter(tries, { retryAfter, now, random: () => random });
const seconds = (tries: number) => (pause(tries) ?? Number.NaN) / 1000;

it('a delivery is tried ten times, in three days', () => {
  const hour = 3600;
  expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map(seconds)).toEqual([
    5,
    300,
    1800,
    ...[2, 5, 10, 14, 20, 24].map((hours) => hours * hour),
  ]);
  expect(pause(10)).toBeUndefined();
  expect(pause(11)).toBeUndefined();
});

it('pauses differ, so that what failed at once is not tried again at once', () => {
  expect(pause(2, { random: 0.5 })).toBe(315_000);
});

it('the receiver may put off the next try, for a day at most', () => {
  expect(pause(1, { retryAfter: '60' })).toBe(60_000);
  expect(pause(1, { retryAfter: 'Mon, 30 Nov 2026 06:02:00 GMT' })).toBe(120_000);
  expect(pause(1, { retryAfter: '9999999' })).toBe(24 * 3_600_000);
  for (const less of ['1', '-5', 'soon', '', 'Mon, 30 Nov 2020 06:02:00 GMT'])
    expect(pause(1, { retryAfter: less }), less).toBe(5000);
});
