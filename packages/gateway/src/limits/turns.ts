/** A turn can still be used this long after it began, because timers fire late. Milliseconds. */
const LATE_MS = 50;
/** Number of turns to search. The owner of a thousandth of the range has a turn within these. */
const AHEAD = 3000;
/**
 * The fractional parts of the multiples of the golden ratio are evenly distributed (Weyl): the owner of a tenth of the range 0 … 1
 * has about every tenth turn, and never waits much longer for one.
 */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * Milliseconds from `at` to the first turn of the node that owns the range from `from` to `to` (within 0 … 1). Turns begin at the
 * multiples of `everyMs` on a clock that all nodes share. Infinity if there is none within `AHEAD` turns.
 */
export function nextTurn(from: number, to: number, everyMs: number, at: number): number {
  const first = Math.ceil((at - LATE_MS) / everyMs);
  for (let turn = first; turn < first + AHEAD; turn++) {
    const owner = (turn * GOLDEN) % 1;
    if (owner >= from && owner < to) return Math.max(0, turn * everyMs - at);
  }
  return Number.POSITIVE_INFINITY;
}
