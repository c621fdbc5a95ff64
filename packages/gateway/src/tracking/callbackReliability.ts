/**
 * How far the callbacks of an account can be relied upon, from what became of its jobs. Polls thin out by it, and come back when
 * callbacks go missing.
 */
export interface CallbackReliability {
  /** A job's end was told by a callback. */
  received(): void;
  /** A poll found the end of a job that a callback should have told by then. */
  missed(): void;
  /** A lower bound of the part of the ends that callbacks tell: 0 until some were received, below 1 always. */
  current(): number;
}

/** Each job weighs 1/100 less than the one after it: the bound is 0.96 after a hundred callbacks without a miss. */
const FORGET = 1 - 1 / 100;
/** One-sided 95% bound. */
const Z = 1.645;

export function createCallbackReliability(): CallbackReliability {
  let received = 0;
  let jobs = 0;
  let missedInRow = 0;
  const count = (hit: 0 | 1) => {
    received = received * FORGET + hit;
    jobs = jobs * FORGET + 1;
    missedInRow = hit === 1 ? 0 : missedInRow + 1;
  };
  return {
    received: () => count(1),
    missed: () => count(0),
    current() {
      if (received === 0) return 0;
      // Misses in a row mean that callbacks have stopped: what was received before says little then.
      return wilsonBound(received / jobs, jobs) * 0.5 ** missedInRow;
    },
  };
}

/** Lower end of the Wilson score interval of a proportion. */
function wilsonBound(proportion: number, count: number): number {
  const z2 = Z * Z;
  const middle = proportion + z2 / (2 * count);
  const spread = Z * Math.sqrt((proportion * (1 - proportion)) / count + z2 / (4 * count * count));
  return Math.max(0, (middle - spread) / (1 + z2 / count));
}
