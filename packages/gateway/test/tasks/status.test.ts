import { describe, expect, it } from 'vitest';
import { REASONS, type Reason, taskError } from '../../src/tasks/reasons.ts';
import { isTerminal, PHASES, type Phase, type Status, statusOf } from '../../src/tasks/task.ts';

describe('the public status', () => {
  const cases: [Phase, number | undefined, Status][] = [
    ['accepted', undefined, 'queued'],
    ['submitting', undefined, 'queued'],
    // A task never returns to this phase; if it did, no work would be in progress.
    ['submitting', 1, 'queued'],
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

describe("a task's error", () => {
  it('has the code of its reason', () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      expect(taskError(reason, 'words')).toEqual({ code: REASONS[reason].code, reason, message: 'words' });
    }
  });
});
