import { describe, expect, it } from 'vitest';
import { type Event, LEGAL, type LedgerRow, move } from '../../src/tasks/lifecycle.ts';
import { taskError } from '../../src/tasks/reasons.ts';
import type { Attempt, Task } from '../../src/tasks/task.ts';
import { aTask } from '../support/builders.ts';

// lifecycle.test.ts has what holds for every sequence of events. This file tests the result of each event, field by field.

const NOW = 5000;

const attempt: Attempt = {
  number: 1,
  accountId: 'account-a',
  idempotencyKey: 'k1',
  upstreamModel: 'm',
  intendedAt: 1000,
};

const accepted = aTask({ version: 7 });
const submitting = aTask({ phase: 'submitting', version: 7, attempt });
const running = aTask({
  phase: 'running',
  version: 7,
  attempt: { ...attempt, upstreamId: 'u', submittedAt: 2000 },
});
const storing = aTask({ ...running, phase: 'storing', startedAt: 3000 });

const result = {
  videoId: 'v',
  bytes: 1,
  sha256: 'd',
  duration: 4,
  width: 2,
  height: 2,
  videoCodec: 'h264',
  expiresAt: 9,
};

/** Checks that an event makes these changes and no others. */
function expectMove(
  from: Task,
  event: Event,
  changes: Partial<Task>,
  ledger: readonly LedgerRow[] = [],
): void {
  const { event: _, repeatable, ...made } = move(from, event, NOW) ?? {};
  expect(repeatable ?? false).toBe(event.type === 'work_started');
  expect(made).toStrictEqual({
    at: NOW,
    from: { phase: from.phase, version: 7 },
    task: { ...from, ...changes, version: 8 },
    ledger,
  });
}

it('a phase allows these events and no others', () => {
  expect(LEGAL).toEqual({
    accepted: ['submit_intended', 'failed', 'cancel_requested'],
    submitting: ['submit_confirmed', 'submit_refused', 'failed', 'cancel_requested'],
    running: [
      'work_started',
      'upstream_succeeded',
      'job_lost',
      'failed',
      'cancel_requested',
      'cancel_refused',
    ],
    storing: ['stored', 'failed', 'cancel_refused'],
    succeeded: ['media_repaired', 'deleted'],
    failed: ['deleted', 'finished_late', 'ended_late'],
  });
});

describe('a submission', () => {
  const intent = {
    type: 'submit_intended',
    accountId: 'account-b',
    idempotencyKey: 'k2',
    upstreamModel: 'm2',
  } as const;
  const intended = { accountId: 'account-b', idempotencyKey: 'k2', upstreamModel: 'm2', intendedAt: NOW };

  it('stores everything that its intent was made with', () => {
    expectMove(accepted, intent, { phase: 'submitting', attempt: { number: 1, ...intended } });
  });

  it("stores the upstream's time if it is known", () => {
    expectMove(
      accepted,
      { ...intent, intendedThereAt: 4999 },
      { phase: 'submitting', attempt: { number: 1, ...intended, intendedThereAt: 4999 } },
    );
  });

  it('after a refused one increases the attempt number and keeps nothing else of it', () => {
    const refused = aTask({ version: 7, attempt: { ...attempt, number: 2, outcome: 'refused', endedAt: 2 } });
    expectMove(refused, intent, { phase: 'submitting', attempt: { number: 3, ...intended } });
  });

  it('that is confirmed runs, and is queued or in progress upstream', () => {
    const confirmed = { ...attempt, upstreamId: 'u', submittedAt: NOW };
    const event = { type: 'submit_confirmed', upstreamId: 'u' } as const;
    expectMove(submitting, { ...event, working: false }, { phase: 'running', attempt: confirmed });
    expectMove(
      submitting,
      { ...event, working: true },
      { phase: 'running', attempt: confirmed, startedAt: NOW },
    );
  });

  it('whose job is lost leaves the task accepted, and in progress if it was', () => {
    const lost = { ...running.attempt, outcome: 'lost', endedAt: NOW, detail: 'silent' } as Attempt;
    const event = { type: 'job_lost', detail: 'silent' } as const;
    expectMove(running, event, { phase: 'accepted', attempt: lost });
    expectMove({ ...running, startedAt: 3000 }, event, { phase: 'accepted', attempt: lost });
  });

  it('that is refused leaves the task accepted', () => {
    const refused = { ...attempt, outcome: 'refused', endedAt: NOW } as const;
    expectMove(submitting, { type: 'submit_refused' }, { phase: 'accepted', attempt: refused });
    expectMove(
      submitting,
      { type: 'submit_refused', detail: 'busy' },
      { phase: 'accepted', attempt: { ...refused, detail: 'busy' } },
    );
  });

  it('of a task without an attempt throws', () => {
    const { attempt: _, ...lost } = submitting;
    expect(() => move(lost, { type: 'submit_refused' }, NOW)).toThrow('submitting without an attempt');
  });
});

describe('an upstream job', () => {
  it('begins to work once', () => {
    expectMove(running, { type: 'work_started' }, { startedAt: NOW });
    expect(move({ ...running, startedAt: 1 }, { type: 'work_started' }, NOW)).toBeUndefined();
  });

  it('began when the upstream says so, after the submission and not in the future', () => {
    expectMove(running, { type: 'work_started', startedAt: 2500.4 }, { startedAt: 2500 });
    expectMove(running, { type: 'work_started', startedAt: 10 }, { startedAt: attempt.intendedAt });
    expectMove(running, { type: 'work_started', startedAt: 9999 }, { startedAt: NOW });
  });

  it.each([
    // What the upstream tells, what was known of the start before, and what is stored.
    [{ startedAt: 2500, endedAt: 4000 }, undefined, { startedAt: 2500, endedAt: 4000 }],
    [{ startedAt: 2500, endedAt: 4000 }, 3000, { startedAt: 2500, endedAt: 4000 }],
    [{ endedAt: 4000 }, 3000, { startedAt: 3000, endedAt: 4000 }],
    [{ endedAt: 4000 }, 4500, { startedAt: 4000, endedAt: 4000 }],
    [{ endedAt: 4000 }, undefined, { startedAt: 1000, endedAt: 4000 }],
    [{ endedAt: 9999 }, 3000, { startedAt: 3000, endedAt: NOW }],
    [{ startedAt: 4500, endedAt: 4000 }, undefined, { startedAt: 4000, endedAt: 4000 }],
    [{ startedAt: 7, endedAt: 8 }, undefined, { startedAt: 1000, endedAt: 1000 }],
    [{ startedAt: 2500 }, undefined, { startedAt: 2500 }],
  ])('that succeeded with %j after a start at %s was at work at %j', (times, known, stored) => {
    const from = known === undefined ? running : { ...running, startedAt: known };
    const made = move(from, { type: 'upstream_succeeded', result: { ref: 'r' }, ...times }, NOW);
    const { startedAt, attempt: { endedAt } = attempt } = made?.task ?? running;
    expect({ startedAt, endedAt }).toEqual({ endedAt: undefined, ...stored });
  });

  it('that succeeded is downloaded; it has started by now at the latest', () => {
    const event: Event = { type: 'upstream_succeeded', result: { ref: 'r', duration: 4 } };
    const fetched = { ...running.attempt, upstreamResult: event.result } as Attempt;
    expectMove(running, event, { phase: 'storing', startedAt: NOW, attempt: fetched });
    expectMove({ ...running, startedAt: 3000 }, event, {
      phase: 'storing',
      startedAt: 3000,
      attempt: fetched,
    });
  });
});

describe('a stored video', () => {
  const ended = { ...storing.attempt, outcome: 'succeeded', endedAt: NOW } as Attempt;
  const succeeded = (costMicros: number): Partial<Task> => ({
    phase: 'succeeded',
    completedAt: NOW,
    attempt: ended,
    result: { ...result, costMicros },
  });

  it('leaves the end that the upstream told', () => {
    const told = { ...storing, attempt: { ...storing.attempt, endedAt: 4000 } as Attempt };
    const made = move(told, { type: 'stored', result }, NOW);
    expect(made?.task).toMatchObject({ completedAt: NOW, attempt: { outcome: 'succeeded', endedAt: 4000 } });
  });

  it('costs the whole hold if all of it was delivered', () => {
    expectMove(storing, { type: 'stored', result }, succeeded(400_000), [
      { kind: 'capture', amountMicros: 400_000 },
    ]);
  });

  it('costs less if less was delivered, and the rest is released', () => {
    const shorter = { ...result, duration: 3 };
    expectMove(
      storing,
      { type: 'stored', result: shorter },
      { ...succeeded(300_000), result: { ...shorter, costMicros: 300_000 } },
      [
        { kind: 'capture', amountMicros: 300_000 },
        { kind: 'release', amountMicros: 100_000 },
      ],
    );
  });

  it('costs a lower price if its format has one, and never a higher one', () => {
    expectMove(storing, { type: 'stored', result, rate: { microsPerSecond: 50_000 } }, succeeded(200_000), [
      { kind: 'capture', amountMicros: 200_000 },
      { kind: 'release', amountMicros: 200_000 },
    ]);
    // The hold has room, so that only the rate prevents it.
    const roomy = { ...storing, price: { ...storing.price, holdMicros: 1_000_000 } };
    expectMove(roomy, { type: 'stored', result, rate: { microsPerSecond: 200_000 } }, succeeded(400_000), [
      { kind: 'capture', amountMicros: 400_000 },
      { kind: 'release', amountMicros: 600_000 },
    ]);
  });
});

describe('a failure', () => {
  const error = taskError('upstream_failed', 'words');
  const failed = { type: 'failed', error, outcome: 'failed' } as const;
  const release: readonly LedgerRow[] = [{ kind: 'release', amountMicros: 400_000 }];

  it('before the first attempt ends no attempt', () => {
    expectMove(accepted, failed, { phase: 'failed', completedAt: NOW, error }, release);
  });

  it.each([submitting, running, storing])('ends the attempt of a task that is $phase', (task) => {
    const ended = { ...task.attempt, outcome: 'failed', endedAt: NOW, detail: 'theirs' } as Attempt;
    expectMove(
      task,
      { ...failed, detail: 'theirs' },
      { phase: 'failed', completedAt: NOW, error, attempt: ended },
      release,
    );
  });

  it('has the times that the upstream told', () => {
    const made = move(running, { ...failed, startedAt: 3000, endedAt: 4000 }, NOW);
    expect(made?.task).toMatchObject({ startedAt: 3000, completedAt: NOW, attempt: { endedAt: 4000 } });
  });

  it('of a download is its end, whenever the upstream was done', () => {
    const told = { ...storing, attempt: { ...storing.attempt, endedAt: 4000 } as Attempt };
    expect(move(told, failed, NOW)?.task).toMatchObject({ completedAt: NOW, attempt: { endedAt: NOW } });
  });

  it('does not change an attempt that has already ended', () => {
    const refused = aTask({
      version: 7,
      attempt: { ...attempt, outcome: 'refused', endedAt: 2, detail: 'busy' },
    });
    expectMove(refused, { ...failed, detail: 'x' }, { phase: 'failed', completedAt: NOW, error }, release);
  });

  it('without an upstream message stores none', () => {
    const made = move(running, failed, NOW);
    expect(made?.task.attempt).toStrictEqual({ ...running.attempt, outcome: 'failed', endedAt: NOW });
  });

  it('stores upstream messages in a form that every store accepts, with a limited length', () => {
    const told = `${'x'.repeat(2000)}\0`;
    const made = move(
      running,
      { ...failed, error: { ...error, message: `\0${told}` }, detail: `\0${told}` },
      NOW,
    );
    const kept = `\ufffd${'x'.repeat(1999)}`;
    expect(made?.task.error).toEqual({ ...error, message: kept });
    expect(made?.task.attempt?.detail).toBe(kept);
    const confirmed = move(submitting, { type: 'submit_confirmed', upstreamId: 'a\0b', working: false }, NOW);
    expect(confirmed?.task.attempt?.upstreamId).toBe('a\ufffdb');
  });
});

describe('a late result', () => {
  const late: Event = { type: 'finished_late', result: { ref: 'r' } };

  it('is stored with an expired attempt', () => {
    const expired = { ...attempt, outcome: 'expired', endedAt: 2 } as const;
    expectMove(aTask({ phase: 'failed', version: 7, attempt: expired }), late, {
      attempt: { ...expired, outcome: 'late', upstreamResult: { ref: 'r' } },
    });
  });

  it('changes neither an attempt that ended otherwise nor a task without attempts', () => {
    const failed = aTask({ phase: 'failed', version: 7 });
    expect(move(failed, late, NOW)).toBeUndefined();
    expect(move({ ...failed, attempt: { ...attempt, outcome: 'failed' } }, late, NOW)).toBeUndefined();
  });
});

describe('a request of the caller', () => {
  it.each([accepted, submitting, running])('to cancel a task that is $phase is stored', (task) => {
    expectMove(task, { type: 'cancel_requested' }, { cancelRequestedAt: NOW });
  });

  it('to delete keeps the parts of the request that accounting needs', () => {
    const { request } = accepted;
    const { model, duration, resolution, aspectRatio, width, height } = request;
    const kept = { model, prompt: '', duration, resolution, aspectRatio, width, height };
    expectMove(
      aTask({ phase: 'failed', version: 7 }),
      { type: 'deleted' },
      { deletedAt: NOW, request: kept },
    );
  });
});
