/** The numbers of tests (or checks) by result. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What came of a run of the tests. */
export interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  /** One line for each: what failed, and why. */
  readonly failures: readonly string[];
}

/** Counts a Vitest run. One that failed without a failure (no outcome, no test found) is a failure itself. */
export function tallyOf(outcome: Outcome | undefined, exitCode: number): Tally {
  const { passed = 0, skipped = 0, failures = [] } = outcome ?? {};
  return { passed, failed: exitCode !== 0 && failures.length === 0 ? 1 : failures.length, skipped };
}

/** `12 passed, 0 failed, 1 skipped`. */
export function sentence({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** The sum of several tallies. */
export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, { passed }) => total + passed, 0),
    failed: tallies.reduce((total, { failed }) => total + failed, 0),
    skipped: tallies.reduce((total, { skipped }) => total + skipped, 0),
  };
}
