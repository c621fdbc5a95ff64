import { describe, expect, it } from 'vitest';
import { type EndedWorker, pauseBefore } from '../../../src/cli/workers/restarts.ts';

const worker = (changes: Partial<EndedWorker>): EndedWorker => ({
  code: 1,
  shortRuns: 1,
  hasServed: true,
  othersServe: true,
  anyHasServed: true,
  ...changes,
});
const pauses = (changes: Partial<EndedWorker>) =>
  Array.from({ length: 12 }, (_, index) => pauseBefore(worker({ ...changes, shortRuns: index + 1 })));

describe('a worker that has ended', () => {
  it('starts again at once if it had served for long', () => {
    expect(pauseBefore(worker({ shortRuns: 0 }))).toBe(0);
    expect(pauseBefore(worker({ shortRuns: 0, othersServe: false }))).toBe(0);
  });

  it('starts again after ever longer pauses for as long as others serve', () => {
    expect(pauses({})).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000,
    ]);
  });

  it.each([1, 2])('ends the gateway at once with the code %i, unless any has served', (code) => {
    const first = { code, hasServed: false, othersServe: false, anyHasServed: false };
    expect(pauseBefore(worker(first))).toBeUndefined();
    expect(pauseBefore(worker({ code }))).toBe(250);
  });

  it.each([
    ['it has never served', { hasServed: false }],
    ['none serves any more', { othersServe: false }],
    [
      'signals end it before any has served',
      { code: null, hasServed: false, othersServe: false, anyHasServed: false },
    ],
  ])('ends the gateway after four short runs if %s', (_name, changes) => {
    const tried = pauses(changes);
    expect(tried.slice(0, 3)).toEqual([250, 500, 1000]);
    expect(tried.slice(3)).toEqual(Array(9).fill(undefined));
  });
});
