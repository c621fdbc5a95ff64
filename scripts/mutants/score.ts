import type { Mutant } from './instrument.ts';

export type Status = 'killed' | 'timeout' | 'survived' | 'unreached';

export interface Verdict {
  readonly mutant: Mutant;
  readonly status: Status;
  /** The test that noticed it, or the number of files tried. */
  readonly by: string;
}

export interface Score {
  readonly killed: number;
  readonly total: number;
  readonly share: number;
  /** Where the share of all mutants is with 95% probability, if these are a random sample of them. */
  readonly low: number;
  readonly high: number;
}

/** The number of deviations within which the standard normal distribution has 95%. */
const Z = 1.959964;

/** The share that was killed, with its Wilson interval, which stays within 0 and 1 also for few mutants. */
export function scoreOf(killed: number, total: number): Score {
  if (total === 0) return { killed, total, share: 1, low: 0, high: 1 };
  const share = killed / total;
  const centre = share + Z ** 2 / (2 * total);
  const spread = Z * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2));
  const scale = 1 + Z ** 2 / total;
  return {
    killed,
    total,
    share,
    low: Math.max(0, (centre - spread) / scale),
    high: Math.min(1, (centre + spread) / scale),
  };
}

export const isKilled = ({ status }: Verdict): boolean => status === 'killed' || status === 'timeout';

/** `count` of the values, chosen by `seed`: always the same for the same values and seed. */
export function sample<T>(values: readonly T[], count: number, seed: number): T[] {
  const left = [...values];
  let state = seed >>> 0;
  // Mulberry32: small, and good enough to choose mutants.
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const chosen: T[] = [];
  while (left.length > 0 && chosen.length < count)
    chosen.push(...left.splice(Math.floor(random() * left.length), 1));
  return chosen;
}
