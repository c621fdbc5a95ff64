import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Event,
  LEGAL,
  type LedgerRow,
  type Move,
  move,
  type WorkTimes,
} from '../../src/tasks/lifecycle.ts';
import { type Reason, taskError } from '../../src/tasks/reasons.ts';
import { isTerminal, jobStartedAt, PHASES, type Phase, statusOf, type Task } from '../../src/tasks/task.ts';
import { anyTask } from '../support/anyTask.ts';
import { aRequest, aTask, START_OF_TIME } from '../support/builders.ts';

const micros = fc.integer({ min: 0, max: 10 ** 9 });

const stored = fc
  .record({ duration: fc.double({ min: 0, max: 100, noNaN: true }), rate: fc.option(fc.nat(1_000_000)) })
  .map(
    ({ duration, rate }): Event => ({
      type: 'stored',
      ...(rate === null ? {} : { microsPerSecond: rate }),
      result: {
        videoId: 'v',
        bytes: 1,
        sha256: 'd',
        duration,
        width: 2,
        height: 2,
        videoCodec: 'h264',
        expiresAt: 1,
      },
    }),
  );

/** What an upstream may tell of its work, also by a clock that is wrong by days. */
const anyTime = fc.double({ min: START_OF_TIME - 1e8, max: START_OF_TIME + 1e8, noNaN: true });
const anyTimes: fc.Arbitrary<WorkTimes> = fc.record(
  { startedAt: anyTime, endedAt: anyTime },
  { requiredKeys: [] },
);

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom('account-a', 'account-b').map(
    (accountId): Event => ({
      type: 'submit_intended',
      accountId,
      idempotencyKey: 'k',
      upstreamModel: 'm',
    }),
  ),
  fc.boolean().map((working): Event => ({ type: 'submit_confirmed', upstreamId: 'u', working })),
  fc.constant<Event>({ type: 'submit_refused', detail: 'x'.repeat(5000) }),
  fc.constant<Event>({ type: 'job_lost', detail: 'x'.repeat(5000) }),
  anyTimes.map(
    ({ startedAt }): Event => ({ type: 'work_started', ...(startedAt === undefined ? {} : { startedAt }) }),
  ),
  anyTimes.map((times): Event => ({ type: 'upstream_succeeded', result: { ref: 'r' }, ...times })),
  stored,
  fc.tuple(fc.constantFrom<Reason>('expired', 'cancelled', 'upstream_failed'), anyTimes).map(
    ([reason, times]): Event => ({
      type: 'failed',
      error: taskError(reason, 'words'),
      outcome: 'failed',
      ...times,
    }),
  ),
  fc.constant<Event>({ type: 'cancel_requested' }),
  fc.constant<Event>({ type: 'cancel_refused' }),
  fc.constant<Event>({ type: 'deleted' }),
);

// Any price with any hold must balance, even one that no catalogue contains.
const anyPrice = fc.record({ currency: fc.constant('USD'), microsPerSecond: micros, holdMicros: micros });

/** The states of a task after each of `events`, one second apart. */
function live(first: Task, events: readonly Event[]): Move[] {
  const moves: Move[] = [];
  let task = first;
  for (const [second, event] of events.entries()) {
    const made = move(task, event, first.createdAt + second * 1000);
    if (!made) continue;
    moves.push(made);
    task = made.task;
  }
  return moves;
}

const GOING_WELL: readonly Event[] = [
  { type: 'submit_intended', accountId: 'account-a', idempotencyKey: 'k', upstreamModel: 'm' },
  { type: 'submit_confirmed', upstreamId: 'u', working: false },
  { type: 'upstream_succeeded', result: { ref: 'r' } },
];

/** Random events from the start, or after a successful beginning: randomness alone rarely gets that far. */
const anyLife = fc
  .tuple(anyPrice, fc.integer({ min: 0, max: GOING_WELL.length }), fc.array(anyEvent, { maxLength: 40 }))
  .map(([price, well, events]) => ({
    first: aTask({ price }),
    events: [...GOING_WELL.slice(0, well), ...events],
  }));

const sum = (rows: readonly LedgerRow[], kind: LedgerRow['kind']) =>
  rows.filter((row) => row.kind === kind).reduce((total, { amountMicros }) => total + amountMicros, 0);

describe('after any sequence of events, a task', () => {
  it('moves only along legal transitions, and each increases its version by one', () => {
    const ways: Record<Phase, readonly Phase[]> = {
      accepted: ['accepted', 'submitting', 'failed'],
      submitting: ['running', 'accepted', 'failed', 'submitting'],
      running: ['running', 'storing', 'accepted', 'failed'],
      storing: ['storing', 'succeeded', 'failed'],
      succeeded: ['succeeded'],
      failed: ['failed'],
    };
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        let before = first;
        for (const { from, task } of live(first, events)) {
          expect(from).toEqual({ phase: before.phase, version: before.version });
          expect(ways[before.phase]).toContain(task.phase);
          expect(task.version).toBe(before.version + 1);
          before = task;
        }
      }),
    );
  });

  it('moves without money and without an end where a power failure may take the move', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        let before = first;
        for (const { from, task, ledger, repeatable } of live(first, events)) {
          if (repeatable) {
            expect(['running>running', 'running>storing']).toContain(`${from.phase}>${task.phase}`);
            expect([ledger, task.cancelRequestedAt]).toEqual([[], before.cancelRequestedAt]);
          }
          before = task;
        }
      }),
    );
  });

  it('ends once; after that it can only be deleted, once', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        const moves = live(first, events);
        const end = moves.findIndex(({ task }) => isTerminal(task.phase));
        if (end < 0) return;
        const after = moves.slice(end + 1);
        expect(after.length).toBeLessThanOrEqual(1);
        const ended = moves[end]?.task;
        const { detail: _, ...attempt } = ended?.attempt ?? {};
        for (const { task, ledger } of after) {
          expect(ledger).toEqual([]);
          expect(task).toEqual({
            ...ended,
            request: task.request,
            ...(ended?.attempt && { attempt }),
            ...(ended?.error && { error: { ...ended.error, message: '' } }),
            version: task.version,
            deletedAt: task.deletedAt,
          });
        }
      }),
    );
  });

  it('captures or releases the whole hold exactly once, and only at its end', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        const moves = live(first, events);
        const hold = first.price.holdMicros;
        for (const { task, ledger } of moves) {
          const ends = isTerminal(task.phase) && task.deletedAt === undefined;
          if (!ends) expect(ledger).toEqual([]);
        }
        const rows = moves.flatMap(({ ledger }) => ledger);
        expect(new Set(rows.map(({ kind }) => kind)).size).toBe(rows.length);
        expect(rows.map(({ kind }) => kind)).not.toContain('hold');
        const last = moves.at(-1)?.task;
        if (last?.phase === 'succeeded') {
          expect(sum(rows, 'capture')).toBeLessThanOrEqual(hold);
          expect(sum(rows, 'capture')).toBe(last.result?.costMicros);
          expect(sum(rows, 'capture') + sum(rows, 'release')).toBe(hold);
        } else if (last?.phase === 'failed') {
          expect(rows).toEqual([{ kind: 'release', amountMicros: hold }]);
        } else {
          expect(rows).toEqual([]);
        }
        for (const { amountMicros } of rows) expect(Number.isInteger(amountMicros)).toBe(true);
      }),
    );
  });

  it('attempts are numbered from one without gaps, and their account and key never change', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        let before = first.attempt;
        for (const { task } of live(first, events)) {
          const { attempt } = task;
          if (attempt?.number !== before?.number) {
            expect(attempt?.number).toBe((before?.number ?? 0) + 1);
            expect([undefined, 'refused', 'lost']).toContain(before?.outcome);
            expect(attempt?.upstreamId).toBeUndefined();
          } else if (attempt && before) {
            expect(attempt.accountId).toBe(before.accountId);
            expect(attempt.idempotencyKey).toBe(before.idempotencyKey);
            if (before.upstreamId !== undefined) expect(attempt.upstreamId).toBe(before.upstreamId);
            if (before.outcome !== undefined) expect(attempt.outcome).toBe(before.outcome);
          }
          before = attempt;
        }
      }),
    );
  });

  it('is worked on between its submission and the end of its work, which is never in the future', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        for (const { at, task } of live(first, events)) {
          const { attempt, startedAt, completedAt } = task;
          const submitted = attempt && attempt.outcome !== 'refused' ? attempt.intendedAt : task.createdAt;
          // A task has started with the first job that has, even if a server has lost that job since.
          const ofTask = [task.createdAt, startedAt, completedAt, at];
          const ofJob = [submitted, jobStartedAt(task), attempt?.endedAt, completedAt, at];
          for (const each of attempt?.outcome === 'refused' ? [ofTask] : [ofTask, ofJob]) {
            const times = each.filter((time) => time !== undefined);
            expect(times).toEqual(times.toSorted((a, b) => a - b));
            expect(times.every(Number.isInteger)).toBe(true);
          }
        }
      }),
    );
  });

  it('has an event for each change of its status but none of a deletion: started before succeeded, each once', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        const moves = live(first, events);
        let before = statusOf(first);
        for (const { task, event } of moves) {
          const status = statusOf(task);
          expect(event !== undefined).toBe(status !== before);
          before = status;
        }
        const types = moves.flatMap(({ event }) => event ?? []);
        expect([
          [],
          ['video.started'],
          ['video.failed'],
          ['video.started', 'video.failed'],
          ['video.started', 'video.succeeded'],
        ]).toContainEqual(types);
      }),
    );
  });

  it('keeps its id, key, price and deadline', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        for (const { task } of live(first, events)) {
          const { id, projectId, keyId, price, deadlineAt, createdAt } = task;
          expect(first).toMatchObject({ id, projectId, keyId, price, deadlineAt, createdAt });
        }
      }),
    );
  });
});

describe('the stored video of a finished task', () => {
  const result = {
    videoId: 'v',
    bytes: 1,
    sha256: 'd',
    duration: 4,
    width: 2,
    height: 2,
    videoCodec: 'h264',
    expiresAt: 1,
    costMicros: 5,
  };
  const repaired = { type: 'media_repaired', result: { bytes: 2, sha256: 'e', posterId: 'p' } } as const;

  it('can be repaired: bytes, digest and poster change, free of charge, and nothing else', () => {
    const task = aTask({ phase: 'succeeded', completedAt: 3, result });
    const made = move(task, repaired, 9);
    expect([made?.ledger, made?.repeatable]).toEqual([[], undefined]);
    expect(made?.task).toEqual({
      ...task,
      version: task.version + 1,
      result: { ...result, bytes: 2, sha256: 'e', posterId: 'p' },
    });
  });

  it('can lose its poster', () => {
    const task = aTask({ phase: 'succeeded', completedAt: 3, result: { ...result, posterId: 'p' } });
    const made = move(task, { type: 'media_repaired', result: { posterId: undefined } }, 9);
    expect(made?.task.result).toStrictEqual(result);
    // A poster is made again from its video.
    expect(made?.repeatable).toBe(true);
  });

  it('cannot be repaired after the task was deleted or has failed', () => {
    expect(move(aTask({ phase: 'succeeded', result, deletedAt: 1 }), repaired, 9)).toBeUndefined();
    expect(move(aTask({ phase: 'failed' }), repaired, 9)).toBeUndefined();
  });
});

describe('a transition', () => {
  it('is undefined for every event that its phase does not allow', () => {
    fc.assert(
      fc.property(anyTask, anyEvent, (task, event) => {
        if (LEGAL[task.phase].includes(event.type)) return;
        expect(move(task, event, START_OF_TIME)).toBeUndefined();
      }),
    );
  });

  it('that removes a cancel request leaves no trace of it', () => {
    const wished = aTask({ phase: 'running', cancelRequestedAt: 1 });
    const { cancelRequestedAt: _, ...without } = wished;
    expect(move(wished, { type: 'cancel_refused' }, 2)?.task).toStrictEqual({ ...without, version: 2 });
  });

  it('does not modify the given task', () => {
    fc.assert(
      fc.property(anyLife, ({ first, events }) => {
        const before = structuredClone(first);
        live(first, events);
        expect(first).toEqual(before);
      }),
    );
  });

  it('is undefined for a repeated start of work, cancel request or deletion', () => {
    const running = aTask({
      phase: 'running',
      startedAt: 1,
      cancelRequestedAt: 1,
    });
    expect(move(running, { type: 'work_started' }, 2)).toBeUndefined();
    expect(move(running, { type: 'cancel_requested' }, 2)).toBeUndefined();
    expect(move(aTask({ phase: 'running' }), { type: 'cancel_refused' }, 2)).toBeUndefined();
    expect(move(aTask({ phase: 'failed', deletedAt: 1 }), { type: 'deleted' }, 2)).toBeUndefined();
  });

  it('limits the length of upstream messages that are kept', () => {
    const submitting = live(aTask(), [
      { type: 'submit_intended', accountId: 'a', idempotencyKey: 'k', upstreamModel: 'm' },
      { type: 'submit_refused', detail: 'x'.repeat(1_000_000) },
    ]);
    expect(submitting.at(-1)?.task.attempt?.detail).toHaveLength(2000);
  });

  it("erases the caller's content when the task is deleted, but nothing that accounting needs", () => {
    const request = aRequest({
      prompt: 'a secret',
      negativePrompt: 'another secret',
      metadata: { customer: 'a secret name' },
      providerOptions: { note: 'a secret note' },
      videoUrl: 'https://secret.example/video',
      image: {
        mediaId: 'm',
        contentType: 'image/png',
        bytes: 1,
        width: 1,
        height: 1,
        sourceUrl: 'https://secret.example',
      },
    });
    const attempt = { number: 1, accountId: 'one', idempotencyKey: 'k', upstreamModel: 'm', intendedAt: 1 };
    const task = aTask({
      phase: 'failed',
      request,
      attempt: { ...attempt, outcome: 'failed', detail: 'a secret was asked for' },
      error: taskError('invalid_request', 'no secret is allowed'),
    });
    const deleted = move(task, { type: 'deleted' }, 5);
    expect(JSON.stringify(deleted?.task)).not.toContain('secret');
    expect(deleted?.task).toMatchObject({ deletedAt: 5, price: { holdMicros: 400_000 } });
  });

  it('knows every phase', () => {
    expect(Object.keys(LEGAL)).toEqual([...PHASES]);
  });
});
