import { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// Imported by each process that may run instrumented code, before that code: by Vitest's workers through workerSetup.ts, and by the
// processes that tests start through NODE_OPTIONS. Instrumented code reads its switches from `globalThis.__stryker__`.

/** The runner's instructions for the next run, in `run.json` of the lane's folder. */
export interface Run {
  /** The mutant to switch on; without one, coverage is recorded. */
  readonly mutant?: string;
  readonly testTimeout?: number;
}

/** The coverage of a test run, in one file per process in the lane's folder `coverage`. */
export interface Covered {
  /** The test file. */
  readonly file: string;
  /** Ids of mutants by the full name of the test; those under '' count for every test of the file. */
  readonly byTest: Readonly<Record<string, readonly string[]>>;
}

interface Switches {
  activeMutant?: string | undefined;
  currentTestId?: string | undefined;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
}

/** The variables that children must have, whatever environment their parent gives them. */
const HANDED_DOWN = ['MUTANTS_LANE', 'MUTANTS_FILE', 'MUTANTS_TEST', 'NODE_OPTIONS', 'TMPDIR'];

export const lane = process.env.MUTANTS_LANE ?? '';
export const run: Run = JSON.parse(readFileSync(path.join(lane, 'run.json'), 'utf8'));
export const switches: Switches = {};
Reflect.set(globalThis, '__stryker__', switches);
if (run.mutant !== undefined) switches.activeMutant = run.mutant;

/** Writes down what this process has covered so far. */
export function writeCoverage(file: string, fileWide: string): void {
  const { mutantCoverage } = switches;
  if (!mutantCoverage || run.mutant !== undefined) return;
  const byTest: Record<string, string[]> = { [fileWide]: Object.keys(mutantCoverage.static) };
  for (const [test, ids] of Object.entries(mutantCoverage.perTest)) byTest[test] = Object.keys(ids);
  const covered: Covered = { file, byTest };
  writeFileSync(path.join(lane, 'coverage', `${process.pid}-${started}.json`), JSON.stringify(covered));
}
const started = Date.now();

interface SpawnOptions {
  envPairs?: string[];
  stdio?: unknown;
}

// Tests start children with environments of their own; all ways to start one lead here.
const prototype = ChildProcess.prototype as unknown as { spawn(options: SpawnOptions): unknown };
const { spawn } = prototype;
prototype.spawn = function (options) {
  const pairs = (options.envPairs ?? []).filter((pair) => !/^(?:MUTANTS_|NODE_OPTIONS=)/.test(pair));
  // A child that takes jobs over a channel outlives the test that started it.
  const lasting = Array.isArray(options.stdio) && options.stdio.includes('ipc');
  for (const name of HANDED_DOWN) {
    const value = lasting && name === 'MUTANTS_TEST' ? '' : process.env[name];
    if (value !== undefined && !pairs.some((pair) => pair.startsWith(`${name}=`)))
      pairs.push(`${name}=${value}`);
  }
  return spawn.call(this, { ...options, envPairs: pairs });
};
