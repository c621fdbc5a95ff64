import { setImmediate } from 'node:timers/promises';

/** Milliseconds of computing after which other work of this process has its turn. */
const TURN_MS = 5;

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
    if (performance.now() - this.#since < TURN_MS) return undefined;
    this.#taken += 1;
    if (this.#taken > this.#most) throw new Error('computes for too long; it may have an endless loop');
    return this.#pause();
  }

  async #pause(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
