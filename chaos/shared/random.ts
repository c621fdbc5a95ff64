import { createHash } from 'node:crypto';

/**
 * A number from 0 inclusive to 1 exclusive that depends only on these words: the draws of one part of a plan do not
 * change when another part draws more.
 */
export function draw(...words: readonly (string | number)[]): number {
  return createHash('sha256').update(words.join(' ')).digest().readUInt32BE() / 2 ** 32;
}

/** One of `choices`, drawn by `words`. */
export function pick<T>(choices: readonly T[], ...words: readonly (string | number)[]): T {
  const choice = choices[Math.floor(draw(...words) * choices.length)];
  if (choice === undefined) throw new Error('there is nothing to choose from');
  return choice;
}

/** The items in an order that is drawn by `seed`. */
export function shuffled<T>(items: readonly T[], seed: string): T[] {
  return items
    .map((item, index) => ({ item, place: draw(seed, index) }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** An endless sequence of numbers from 0 inclusive to 1 exclusive (mulberry32), where hashing each would be too slow. */
export function stream(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readInt32BE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
