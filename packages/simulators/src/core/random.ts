import { createHash } from 'node:crypto';

/** A stream of seeded random values. The same seed gives the same values in the same order. */
export interface Random {
  /** From 0 up to, but not including, 1. */
  next(): number;
  /** An integer from 0 up to, but not including, `below`. */
  integer(below: number): number;
  /** `length` characters of `alphabet`. */
  text(length: number, alphabet: string): string;
  hex(length: number): string;
  /** Shaped like a UUID version 4. */
  uuid(): string;
  /** Log-normal: half of the values are below `median`, and about two thirds within a factor of e^`sigma` of it. */
  logNormal(median: number, sigma: number): number;
}

const HEX = '0123456789abcdef';

/** A stream that depends on every character of `seed`. */
export function createRandom(seed: string): Random {
  const digest = createHash('sha256').update(seed).digest();
  let a = digest.readUInt32LE(0);
  let b = digest.readUInt32LE(4);
  let c = digest.readUInt32LE(8);
  let d = digest.readUInt32LE(12) | 1;

  /** sfc32 from the PractRand suite: fast, and it passes the suite's tests. */
  function next(): number {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  function text(length: number, alphabet: string): string {
    let out = '';
    for (let i = 0; i < length; i++) out += alphabet.charAt(Math.floor(next() * alphabet.length));
    return out;
  }

  return {
    next,
    integer: (below) => Math.floor(next() * below),
    text,
    hex: (length) => text(length, HEX),
    uuid: () =>
      `${text(8, HEX)}-${text(4, HEX)}-4${text(3, HEX)}-${text(1, '89ab')}${text(3, HEX)}-${text(12, HEX)}`,
    logNormal(median, sigma) {
      // Box-Muller. `1 - next()` avoids the logarithm of zero.
      const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      return median * Math.exp(sigma * normal);
    },
  };
}
