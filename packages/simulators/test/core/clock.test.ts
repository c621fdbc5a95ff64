import { expect, it } from 'vitest';
import { createClock } from '../../src/core/clock.ts';

const HOUR = 3_600_000;

it('keeps results for as long as everything else takes, or at a scale of its own', () => {
  expect([createClock(0.05).scaled(HOUR), createClock(0.05).kept(HOUR)]).toEqual([180_000, 180_000]);
  const apart = createClock(0.05, 1);
  expect([apart.scaled(HOUR), apart.kept(HOUR)]).toEqual([180_000, HOUR]);
});

it.each([[0], [-1], [Number.NaN]])('refuses a scale of %s', (scale) => {
  expect(() => createClock(scale)).toThrow(RangeError);
  expect(() => createClock(1, scale)).toThrow(RangeError);
});
