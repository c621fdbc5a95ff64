import { expect, test } from 'vitest';
import { outcomeOf } from '../outcomeReporter.ts';
import { type Outcome, sentence, sum, tallyOf } from '../tally.ts';

type State = 'passed' | 'failed' | 'skipped';
type Counted = Parameters<typeof outcomeOf>[0][number];

/** A file with tests of these results, as Vitest reports it. */
function file(states: readonly State[], errors: readonly string[] = []): Counted {
  const tests = states.map((state, index) => ({
    fullName: `test ${index}`,
    result: () => ({ state, errors: state === 'failed' ? [{ name: 'Error', message: 'no\nboat' }] : [] }),
  }));
  return {
    relativeModuleId: 'boats.test.ts',
    errors: () => errors.map((message) => ({ name: 'Error', message })),
    children: { allTests: () => tests, allSuites: () => [] },
  } as unknown as Counted;
}

const outcome: Outcome = { passed: 3, skipped: 2, failures: [] };

test('skipped tests are told', () => {
  expect(sentence(tallyOf(outcomeOf([file(['passed', 'skipped', 'passed'])], []), 0))).toBe(
    '2 passed, 0 failed, 1 skipped',
  );
});

test('a failed test is named, with the first line of its error', () => {
  const { failures } = outcomeOf([file(['failed', 'passed'])], []);
  expect(failures).toEqual(['boats.test.ts > test 0: Error: no']);
});

test('a file that does not load is a failure, and named', () => {
  const broken = outcomeOf([file([], ['no such module'])], []);
  expect(broken.failures).toEqual(['boats.test.ts: Error: no such module']);
  expect(tallyOf(broken, 1).failed).toBe(1);
});

test('an error that no test caught is a failure, and named with its place', () => {
  const stacks = [{ method: 'sail', file: 'boat.ts', line: 3, column: 1 }];
  const { failures } = outcomeOf([file(['passed'])], [{ name: 'Error', message: 'ECONNRESET', stacks }]);
  expect(failures).toEqual(['an error outside of tests: Error: ECONNRESET (boat.ts:3)']);
});

test('a run that ends badly without a failure is one', () => {
  expect(tallyOf(outcome, 1).failed).toBe(1);
  expect(tallyOf(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('totals add up', () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  expect(sum([one, one])).toEqual({ passed: 2, failed: 4, skipped: 6 });
});
