import { lerp, smoothstep } from './easing.ts';

/** A seeded source of numbers in [0, 1). */
export type Random = () => number;

/** mulberry32, with 32 bits of state, which is enough for drawing. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A number between `low` and `high`. */
export const between = (random: Random, low: number, high: number): number => low + (high - low) * random();

/** One of `items`, which must not be empty. */
export function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[Math.floor(random() * items.length)] ?? items[0];
}

/** Smooth noise along a line, about -1 to 1, with one bump per unit of `x` and finer detail with each octave. */
export function createNoise(random: Random, octaves: number): (x: number) => number {
  const values = Array.from({ length: 256 }, () => random() * 2 - 1);
  const at = (index: number): number => values[index & 255] ?? 0;
  const smooth = (x: number): number => {
    const cell = Math.floor(x);
    return lerp(at(cell), at(cell + 1), smoothstep(0, 1, x - cell));
  };
  return (x) => {
    let sum = 0;
    let weight = 1;
    let total = 0;
    for (let octave = 0; octave < octaves; octave++) {
      sum += smooth(x * 2 ** octave + octave * 31) * weight;
      total += weight;
      weight *= 0.5;
    }
    return sum / total;
  };
}

/** FNV-1a, 32 bits: turns a text into a seed. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
