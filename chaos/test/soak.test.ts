import { FAULTS, type FaultRule, type JobRecord } from '@onetake/simulators';
import { expect, it } from 'vitest';
import { SOAKED } from '../shared/families.ts';
import { addFaults, NOT_SOAKED } from '../soak/faults.ts';
import { judge } from '../soak/verdict.ts';

it('the soak has every kind of fault of the simulators, but those that change how a job must end', () => {
  const rules: FaultRule[] = [];
  addFaults({ add: (rule) => ({ id: rules.push(rule), rule, hits: 0, remove: () => undefined }) }, 0.1);
  expect(new Set([...rules.map(({ kind }) => kind), ...NOT_SOAKED])).toEqual(new Set(Object.keys(FAULTS)));
  expect(rules.filter(({ kind }) => NOT_SOAKED.includes(kind))).toEqual([]);
});

const [billing] = SOAKED.filter(({ bills }) => bills === 1);
const SUCCEEDED = { status: 'succeeded' };
const failedAs = (reason: string) => ({ status: 'failed', error: { reason } });

/** What the verdict says of one task, whose upstream has jobs with so many bills. */
function wrongs(task: object, billsOfJobs: readonly number[], ending?: string): number {
  if (!billing) throw new Error('no family bills');
  const jobs = billsOfJobs.map((bills) => ({ bills: Array(bills).fill({}) }) as unknown as JobRecord);
  const ledger = { jobs: () => jobs, bills: () => 0, count: () => 0 };
  const planned = { family: billing, prompt: 'boat', body: {}, ending };
  return judge([{ planned, id: 'video_1', task }], ledger, { list: () => [] }).wrong;
}

it.each<[string, number, object, readonly number[], string?]>([
  ['a video that is paid for once', 0, SUCCEEDED, [1]],
  ['a planned refusal', 0, failedAs('content_rejected'), [0], 'content_rejected'],
  ['a lost submission that is paid for', 0, failedAs('submission_unknown'), [1]],
  ['a lost submission that was never made', 0, failedAs('submission_unknown'), []],
  ['two jobs', 1, SUCCEEDED, [1, 0]],
  ['two bills', 1, SUCCEEDED, [2]],
  ['a video that nobody was paid for', 1, SUCCEEDED, [0]],
  ['a bill without a video', 1, failedAs('content_rejected'), [1], 'content_rejected'],
  ['a failure that was not planned', 1, failedAs('upstream_failed'), [0]],
  ['a success that was not planned', 1, SUCCEEDED, [1], 'content_rejected'],
])('the verdict of the soak on %s: %i wrong', (_what, expected, task, bills, ending) => {
  expect(wrongs(task, bills, ending)).toBe(expected);
});
