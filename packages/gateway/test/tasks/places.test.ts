import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Event, LINGER_MS, type Move, move } from '../../src/tasks/lifecycle.ts';
import { occupiesPlace, placeChange } from '../../src/tasks/places.ts';
import { taskError } from '../../src/tasks/reasons.ts';
import type { Attempt, AttemptOutcome, Task } from '../../src/tasks/task.ts';
import { aTask, START_OF_TIME } from '../support/builders.ts';

const NOW = START_OF_TIME + 5000;

const intent = (accountId: string): Event => ({
  type: 'submit_intended',
  accountId,
  idempotencyKey: 'k',
  upstreamModel: 'm',
});
const failed = (outcome: AttemptOutcome): Event => ({
  type: 'failed',
  error: taskError('upstream_failed', 'words'),
  outcome,
});
const CONFIRMED: Event = { type: 'submit_confirmed', upstreamId: 'u', working: false };
const SUCCEEDED: Event = { type: 'upstream_succeeded', result: { ref: 'r' } };
const STORED: Event = {
  type: 'stored',
  result: {
    videoId: 'v',
    bytes: 1,
    sha256: 'd',
    duration: 4,
    width: 2,
    height: 2,
    videoCodec: 'h264',
    expiresAt: 9,
  },
};
const LATE: Event = { type: 'finished_late', result: { ref: 'r' } };

/** The moves of a task by these events, each a second after the one before. Events that are not legal are skipped. */
function live(events: readonly Event[], first = aTask()): Move[] {
  const moves: Move[] = [];
  let task = first;
  for (const [second, event] of events.entries()) {
    const made = move(task, event, NOW + second * 1000);
    if (!made) continue;
    moves.push(made);
    task = made.task;
  }
  return moves;
}

const changesOf = (events: readonly Event[]) => live(events).map((made) => placeChange(made)?.change);
const last = (events: readonly Event[]): Task | undefined => live(events).at(-1)?.task;

describe('a place', () => {
  it('is taken by an intent and freed when the upstream has ended the job', () => {
    const events = [intent('a'), CONFIRMED, { type: 'work_started' } as const, SUCCEEDED, STORED];
    expect(changesOf(events)).toEqual(['take', undefined, undefined, 'free', undefined]);
    expect(placeChange(live(events)[0] as Move)).toEqual({ accountId: 'a', change: 'take' });
  });

  it.each<AttemptOutcome>(['refused', 'failed', 'cancelled'])(
    'is free after a job that was %s',
    (outcome) => {
      expect(changesOf([intent('a'), failed(outcome)])).toEqual(['take', 'free']);
      expect(changesOf([intent('a'), CONFIRMED, failed(outcome)])).toEqual(['take', undefined, 'free']);
      expect(last([intent('a'), failed(outcome)])?.attempt).not.toHaveProperty('placeUntil');
    },
  );

  it.each<AttemptOutcome>(['expired', 'unknown'])(
    'lingers for half an hour after a job that is %s',
    (outcome) => {
      expect(changesOf([intent('a'), CONFIRMED, failed(outcome)])).toEqual(['take', undefined, 'linger']);
      const ended = last([intent('a'), failed(outcome)]);
      expect(ended?.attempt?.placeUntil).toBe(NOW + 1000 + 30 * 60_000);
      expect(LINGER_MS).toBe(30 * 60_000);
    },
  );

  it('is taken again by the next attempt, on the account of that one', () => {
    const moves = live([intent('a'), { type: 'submit_refused' }, intent('b'), { type: 'cancel_requested' }]);
    expect(moves.map(placeChange)).toEqual([
      { accountId: 'a', change: 'take' },
      { accountId: 'a', change: 'free' },
      { accountId: 'b', change: 'take' },
      undefined,
    ]);
  });

  it('is not touched when a task ends that waits, or whose video is being stored', () => {
    for (const outcome of ['expired', 'unknown', 'cancelled'] as const) {
      expect(changesOf([failed(outcome)])).toEqual([undefined]);
      const waiting = [intent('a'), { type: 'submit_refused' } as const, failed(outcome)];
      expect(changesOf(waiting).at(-1)).toBeUndefined();
      const storing = [intent('a'), CONFIRMED, SUCCEEDED, failed(outcome)];
      expect(changesOf(storing).at(-1)).toBeUndefined();
      for (const events of [waiting, storing]) expect(last(events)?.attempt).not.toHaveProperty('placeUntil');
    }
  });

  it('that lingers is free once the upstream has ended the job', () => {
    const expired = [intent('a'), CONFIRMED, failed('expired')];
    expect(changesOf([...expired, LATE]).at(-1)).toBe('free_lingering');
    expect(last([...expired, LATE])?.attempt).toMatchObject({ outcome: 'late', placeUntil: NOW + 3000 });
    expect(changesOf([...expired, { type: 'ended_late' }]).at(-1)).toBe('free_lingering');
    expect(last([...expired, { type: 'ended_late' }])?.attempt).toMatchObject({
      outcome: 'expired',
      placeUntil: NOW + 3000,
    });
  });

  it('that lingers still does when the task is deleted', () => {
    expect(changesOf([intent('a'), failed('unknown'), { type: 'deleted' }])).toEqual([
      'take',
      'linger',
      undefined,
    ]);
    expect(last([intent('a'), failed('unknown'), { type: 'deleted' }])?.attempt?.placeUntil).toBe(
      NOW + 1000 + LINGER_MS,
    );
  });

  it('lingers no longer when the end is learnt after the bound', () => {
    const expired = last([intent('a'), CONFIRMED, failed('expired')]) as Task;
    const bound = expired.attempt?.placeUntil ?? 0;
    expect(move(expired, { type: 'ended_late' }, bound)).toBeUndefined();
    expect(move(expired, LATE, bound + 1)?.task.attempt?.placeUntil).toBe(bound);
    // A task that failed before places were stored.
    const { placeUntil: _, ...attempt } = expired.attempt as Attempt;
    const before = { ...expired, attempt };
    expect(move(before, { type: 'ended_late' }, NOW)).toBeUndefined();
    const late = move(before, LATE, NOW) as Move;
    expect(late.task.attempt).not.toHaveProperty('placeUntil');
    expect(placeChange(late)).toBeUndefined();
  });
});

const anyEvent = fc.oneof(
  fc.constantFrom('a', 'b').map(intent),
  fc.constant(CONFIRMED),
  fc.constant<Event>({ type: 'submit_refused' }),
  fc.constant<Event>({ type: 'work_started' }),
  fc.constant<Event>({ type: 'job_lost' }),
  fc.constant(SUCCEEDED),
  fc.constant(STORED),
  fc
    .constantFrom<AttemptOutcome>('refused', 'unknown', 'failed', 'cancelled', 'expired')
    .map((outcome) => failed(outcome)),
  fc.constant<Event>({ type: 'cancel_requested' }),
  fc.constant<Event>({ type: 'cancel_refused' }),
  fc.constant(LATE),
  fc.constant<Event>({ type: 'ended_late' }),
  fc.constant<Event>({ type: 'deleted' }),
);

const COUNTED = { take: 1, free: -1, linger: 0, free_lingering: 0 };

it('whatever happens, the changes of an account add up to the attempts that occupy a place on it', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const taken = new Map<string, number>();
      for (const made of live(events)) {
        const changed = placeChange(made);
        if (changed)
          taken.set(changed.accountId, (taken.get(changed.accountId) ?? 0) + COUNTED[changed.change]);
        const { attempt } = made.task;
        const occupied = attempt && occupiesPlace(attempt) ? attempt.accountId : undefined;
        for (const account of ['a', 'b']) {
          expect(taken.get(account) ?? 0).toBe(account === occupied ? 1 : 0);
        }
      }
    }),
    { numRuns: 500 },
  );
});
