/** Turns that may be late by so much and still be used: timers are. Milliseconds. */
const LATE_MS = 50;
/** Turns looked ahead; a thousandth of them is had within these. */
const AHEAD = 3000;
/**
 * Multiples of the golden ratio's fraction fall evenly into every interval, however short: whoever owns a tenth of it has about
 * every tenth turn, and never waits much longer for one.
 */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * Milliseconds from `at` to the first turn of whoever owns the numbers from `from` to `to` (of 0 … 1). Turns begin at the multiples
 * of `everyMs` of a clock that all share. Infinity where there is none in sight.
 */
export function nextTurn(from: number, to: number, everyMs: number, at: number): number {
  const first = Math.ceil((at - LATE_MS) / everyMs);
  for (let turn = first; turn < first + AHEAD; turn++) {
    const owner = (turn * GOLDEN) % 1;
    if (owner >= from && owner < to) return Math.max(0, turn * everyMs - at);
  }
  return Number.POSITIVE_INFINITY;
}
