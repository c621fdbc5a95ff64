// A Vitest reporter for scripts/test.ts: writes what came of the tests, with every failure by name, to the file TEST_OUTCOME.
import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';
import type { Outcome } from './tally.ts';

/** The parts of a module that are counted. */
type Counted = Pick<TestModule, 'relativeModuleId' | 'errors'> & {
  readonly children: Pick<TestModule['children'], 'allTests' | 'allSuites'>;
};

/**
 * Counts a run. A file that failed outside its tests (it did not load, a hook threw) counts as one failure, and so does each error that no
 * test caught.
 */
export function outcomeOf(modules: readonly Counted[], unhandled: readonly SerializedError[]): Outcome {
  const failures = unhandled.map((error) => `an error outside of tests: ${wordsOf(error)}`);
  const counts = { passed: 0, skipped: 0 };
  for (const module of modules) {
    const file = module.relativeModuleId;
    for (const suite of [module, ...module.children.allSuites()])
      for (const error of suite.errors()) failures.push(`${file}: ${wordsOf(error)}`);
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'failed') failures.push(`${file} > ${test.fullName}: ${errors?.map(wordsOf)[0]}`);
      else counts[state === 'passed' ? 'passed' : 'skipped'] += 1;
    }
  }
  return { ...counts, failures };
}

/** The first line of an error, and where it was thrown. */
function wordsOf({ name, message, stacks }: SerializedError): string {
  const place = stacks?.[0];
  const at = place ? ` (${place.file}:${place.line})` : '';
  return `${name ?? 'Error'}: ${message.split('\n')[0]}${at}`;
}

export default class OutcomeReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.TEST_OUTCOME;
    if (file === undefined) throw new Error('TEST_OUTCOME must name the file to write');
    writeFileSync(file, JSON.stringify(outcomeOf(modules, unhandled)));
  }
}
