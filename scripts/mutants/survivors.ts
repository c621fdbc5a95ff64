import type { Mutant } from './instrument.ts';

/** A mutant that no test can notice, because the program does the same with it. */
export interface Equivalent {
  /** From `packages/gateway/src` on. */
  readonly file: string;
  readonly mutator: string;
  /** The code that is changed, or the beginning of it. */
  readonly original: string;
  readonly replacement: string;
  readonly reason: string;
}

/** These do not count. An entry that fits no mutant any more is an error, so that the list stays true. */
export const EQUIVALENT: readonly Equivalent[] = [];

export function isListed({ file, mutator, original, replacement }: Mutant, entry: Equivalent): boolean {
  return (
    file === `packages/gateway/src/${entry.file}` &&
    mutator === entry.mutator &&
    original.startsWith(entry.original) &&
    replacement === entry.replacement
  );
}
