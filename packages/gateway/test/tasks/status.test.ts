import { describe, expect, it } from 'vitest';
import { REASONS, type Reason, taskError } from '../../src/tasks/reasons.ts';
import { doneAt, isTerminal, PHASES, type Phase, type Status, statusOf } from '../../src/tasks/task.ts';

describe('the public status', () => {
  const cases: [Phase, number | undefined, Status][] = [
    ['accepted', undefined, 'queued'],
    ['submitting', undefined, 'queued'],
    // Its job was lost, and it waits for another one. A status never goes back.
    ['accepted', 1, 'in_progress'],
    ['submitting', 1, 'in_progress'],
    ['running', undefined, 'queued'],
    ['running', 0, 'in_progress'],
    ['storing', 1, 'in_progress'],
    ['succeeded', 1, 'succeeded'],
    ['failed', undefined, 'failed'],
  ];
  it.each(cases)('of a task that is %s, started at %s, is %s', (phase, startedAt, status) => {
    expect(statusOf(startedAt === undefined ? { phase } : { phase, startedAt })).toBe(status);
  });

  it('is final only in the two terminal phases', () => {
    expect(PHASES.filter(isTerminal)).toEqual(['succeeded', 'failed']);
  });
});

describe('the end of a task', () => {
  const attempt = { number: 1, accountId: 'a', idempotencyKey: 'k', upstreamModel: 'm', intendedAt: 1 };

  it.each([
    ['unfinished', {}, undefined],
    [
      'whose upstream is done, while the video is downloaded',
      { attempt: { ...attempt, endedAt: 4 } },
      undefined,
    ],
    ['never submitted', { completedAt: 9 }, 9],
    ['done upstream', { completedAt: 9, attempt: { ...attempt, outcome: 'succeeded', endedAt: 4 } }, 4],
    ['refused upstream', { completedAt: 9, attempt: { ...attempt, outcome: 'refused', endedAt: 4 } }, 9],
    ['of an earlier version', { completedAt: 9, attempt: { ...attempt, outcome: 'failed' } }, 9],
  ] as const)('of one that is %s', (_what, task, end) => {
    expect(doneAt(task)).toBe(end);
  });
});

describe("a task's error", () => {
  it('has the code of its reason', () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      expect(taskError(reason, 'words')).toEqual({ code: REASONS[reason].code, reason, message: 'words' });
    }
  });
});
