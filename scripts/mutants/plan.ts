import path from 'node:path';
import type { TestFile } from './coverage.ts';
import type { Mutant } from './instrument.ts';
import type { Batch } from './lane.ts';

/** A worker's start, in addition to the file itself. */
const WORKER_MS = 500;
/** How much slower than without a mutant a test may be, because the machine may be busier now. */
const PATIENCE = 4;
const LEAST_TIMEOUT_MS = 10_000;

export interface PlannedBatch extends Batch {
  /** Its duration without a mutant. */
  readonly costMs: number;
  readonly limitMs: number;
  /** Whether no test of the file fails without a mutant. */
  readonly isSound: boolean;
}

export interface Plan {
  readonly batches: readonly PlannedBatch[];
  /** Test files that also reach the mutant, left out because the budget was spent. */
  readonly leftOut: number;
}

/** Chooses tests for mutants: those that reach it, the most promising file first, within the budget. */
export function createPlanner(coverage: readonly TestFile[], budgetMs: number) {
  /** How often a test file has killed a mutant of a source file, because it is likely to kill the next one too. */
  const kills = new Map<string, number>();

  /** Tests that reach anything in the mutant's file, for code that is newer than the coverage. */
  function reachingFile({ reached }: TestFile, source: string, test: string): boolean {
    for (const key of reached.get(test) ?? []) if (key.startsWith(`${source}|`)) return true;
    return false;
  }

  const known = new Set(coverage.flatMap(({ reached }) => [...reached.values()].flatMap((set) => [...set])));

  function testsFor(mutant: Mutant, testFile: TestFile): string[] {
    const reaches = (test: string): boolean =>
      known.has(mutant.key)
        ? (testFile.reached.get(test)?.has(mutant.key) ?? false)
        : test !== '' && reachingFile(testFile, mutant.file, test);
    const names = Object.keys(testFile.tests);
    return reaches('') ? names : names.filter(reaches);
  }

  return {
    plan(mutant: Mutant): Plan {
      const folder = path.dirname(mutant.file).replace('/src', '/test');
      const name = path.basename(mutant.file, '.ts');
      const candidates = coverage.flatMap((testFile) => {
        const tests = testsFor(mutant, testFile);
        if (tests.length === 0) return [];
        const times = tests.map((test) => testFile.tests[test] ?? 0);
        const costMs = WORKER_MS + testFile.overheadMs + times.reduce((sum, ms) => sum + ms, 0);
        const testTimeout = LEAST_TIMEOUT_MS + PATIENCE * Math.max(...times);
        const near = testFile.file.startsWith(`${folder}/`)
          ? testFile.file.includes(`/${name}.`)
            ? 4
            : 2
          : 1;
        const killed = kills.get(`${mutant.file} ${testFile.file}`) ?? 0;
        return [
          {
            file: testFile.file,
            tests,
            isSound: !testFile.failed,
            testTimeout,
            costMs,
            limitMs: PATIENCE * costMs + testTimeout,
            rank: costMs / (near * (1 + killed)),
          },
        ];
      });
      candidates.sort((a, b) => a.rank - b.rank);
      let spent = 0;
      const batches = candidates.filter(({ costMs }, index) => {
        if (index > 0 && spent + costMs > budgetMs) return false;
        spent += costMs;
        return true;
      });
      return { batches, leftOut: candidates.length - batches.length };
    },
    killed(mutant: Mutant, testFile: string): void {
      const key = `${mutant.file} ${testFile}`;
      kills.set(key, (kills.get(key) ?? 0) + 1);
    },
  };
}
