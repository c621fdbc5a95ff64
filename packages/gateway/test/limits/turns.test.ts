import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextTurn } from '../../src/limits/turns.ts';

const EVERY = 1100;

describe('turns', () => {
  it('all belong to a node that owns everything', () => {
    expect(nextTurn(0, 1, EVERY, 10 * EVERY + 200)).toBe(EVERY - 200);
  });

  it('may be used a moment late', () => {
    expect(nextTurn(0, 1, EVERY, 10 * EVERY + 20)).toBe(0);
  });

  it('never overlap: nodes with different numbers have different turns', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 0.9, noNaN: true }), fc.nat({ max: 2 ** 40 }), (cut, at) => {
        const [a, b] = [nextTurn(0, cut, EVERY, at), nextTurn(cut, 1, EVERY, at)];
        expect(a).not.toBe(b);
        expect(Math.min(a, b)).toBeLessThanOrEqual(EVERY);
      }),
    );
  });

  it('come soon even for a small part', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.nat({ max: 2 ** 40 }),
        (part, from, at) => {
          const to = Math.min(1, from + part);
          // The fractions of so many multiples leave no gap wider than three times their even distance.
          expect(nextTurn(from, to, EVERY, at)).toBeLessThanOrEqual((3 / (to - from) + 2) * EVERY);
        },
      ),
    );
  });

  it('are counted from the first usable one: each number belongs to one owner', () => {
    const GOLDEN = (Math.sqrt(5) - 1) / 2;
    const numberOf = (turn: number) => (turn * GOLDEN) % 1;
    const only = (turn: number) => nextTurn(numberOf(turn), numberOf(turn) + 1e-9, EVERY, 0);
    for (const turn of [0, 1, 2, 7, 610, 2999]) expect(only(turn)).toBe(turn * EVERY);
    // With a part so small that it has none among three thousand, it has none.
    expect(only(3000)).toBe(Number.POSITIVE_INFINITY);
    // A range does not include its end.
    expect(nextTurn(0.6, numberOf(1), EVERY, EVERY)).toBeGreaterThan(0);
  });

  it('never come for a node without numbers', () => {
    expect(nextTurn(0.5, 0.5, EVERY, 0)).toBe(Number.POSITIVE_INFINITY);
  });
});
