import { setImmediate } from 'node:timers/promises';

/** Milliseconds of computing after which other work of this process has its turn. */
const TURN_MS = 5;
/** The most that one step counts: the process may have been suspended meanwhile. */
const MOST_TURNS_A_STEP = 10;

/** Divides long computing into turns, so that it holds up nothing else: expressions are evaluated without waiting for anything. */
export class Turns {
  readonly #most: number;
  #taken = 0;
  #since = performance.now();

  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  /** To be awaited before each step. Throws after `most` turns. */
  next(): Promise<void> | undefined {
    const spent = performance.now() - this.#since;
    if (spent < TURN_MS) return undefined;
    this.#taken += Math.min(MOST_TURNS_A_STEP, Math.floor(spent / TURN_MS));
    if (this.#taken > this.#most) throw new Error('computes for too long; it may have an endless loop');
    return this.#pause();
  }

  async #pause(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
