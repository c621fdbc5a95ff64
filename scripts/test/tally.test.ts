import { expect, test } from 'vitest';
import { sentence, sum, tallyOf, type VitestReport } from '../tally.ts';

const file = (status: string, ...tests: string[]): VitestReport['testResults'][number] => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

const report: VitestReport = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [file('passed', 'passed', 'passed', 'passed', 'pending', 'todo')],
};

test('skipped tests and those still to be written are told', () => {
  expect(sentence(tallyOf(report, 0))).toBe('3 passed, 0 failed, 2 skipped');
});

test('a file that does not load is a failure', () => {
  const broken = { ...report, testResults: [...report.testResults, file('failed')] };
  expect(tallyOf(broken, 1).failed).toBe(1);
});

test('a file with a failed test is not counted beside that test', () => {
  const failed = {
    ...report,
    numFailedTests: 2,
    testResults: [file('failed', 'failed', 'failed', 'passed')],
  };
  expect(tallyOf(failed, 1).failed).toBe(2);
});

test('a run that ends badly without a failed test is a failure', () => {
  expect(tallyOf(report, 1).failed).toBe(1);
  expect(tallyOf(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('totals add up', () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  expect(sum([one, one])).toEqual({ passed: 2, failed: 4, skipped: 6 });
});
