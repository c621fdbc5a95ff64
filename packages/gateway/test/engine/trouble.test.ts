import { describe, expect, it } from 'vitest';
import { OutcomeUnknown } from '../../src/store/errors.ts';
import type { Store } from '../../src/store/store.ts';
import type { Move } from '../../src/tasks/lifecycle.ts';
import { isTerminal } from '../../src/tasks/task.ts';
import { createWorld, type World } from '../support/engineWorld.ts';
import { eventually } from '../support/eventually.ts';

const DOWN = new Error('the disk is full');

/** A store whose writes of moves fail while `down` is true; with `answerLost` they are made nevertheless. */
function troubled(store: Store, down: (from: string, to: string) => boolean, answerLost = false): Store {
  async function write<T>({ from, task }: Move, made: () => Promise<T>): Promise<T> {
    const failing = down(from.phase, task.phase);
    if (failing && !answerLost) throw DOWN;
    const written = await made();
    if (failing) throw DOWN;
    return written;
  }
  return {
    ...store,
    commit: (move, media) => write(move, () => store.commit(move, media)),
    claim: (move) => write(move, () => store.claim(move)),
  };
}

const MOVES = [
  ['accepted', 'submitting'],
  ['submitting', 'running'],
  ['submitting', 'accepted'],
  ['running', 'running'],
  ['running', 'storing'],
  ['storing', 'succeeded'],
] as const;

async function expectSuccess(world: World, id: string): Promise<void> {
  let over = false;
  world.feed.onTask(id, ({ task }) => {
    over = isTerminal(task.phase);
  });
  // The engine waits for its store in real time, during which virtual time passes quickly.
  while (!over) await world.advance(1000);
  const task = await world.task(id);
  expect(task.phase).toBe('succeeded');
  expect(await world.ledger(id)).toEqual({ hold: 400_000, capture: 400_000 });
  expect(
    world.upstream.records.filter(({ call, upstreamId }) => call === 'submit' && upstreamId),
  ).toHaveLength(1);
  expect(world.engine.unfinished).toBe(0);
}

it('a task whose acceptance was written although its answer was lost is driven to its end, and can be cancelled meanwhile', async () => {
  let acceptedId = '';
  const world = await createWorld({
    parts: ({ store }) => ({
      store: {
        ...store,
        async accept(acceptance) {
          await store.accept(acceptance);
          acceptedId = acceptance.task.id;
          throw new OutcomeUnknown('The answer was lost.', 1);
        },
      },
    }),
  });
  await expect(world.submit()).rejects.toBeInstanceOf(OutcomeUnknown);
  await expect(world.engine.cancel(await world.task(acceptedId))).rejects.toMatchObject({
    code: 'store_unavailable',
    message: 'The gateway is taking this task up; try again shortly.',
  });
  await expectSuccess(world, acceptedId);
});

describe('a store that fails for a while', () => {
  const behaviour = () => ({
    start: [{ refuse: 'rate_limited', retryAfterMs: 1000 }, 'accepted'] as const,
    answers: ['in_progress', 'succeeded'] as const,
  });

  it.each(MOVES)('while a task moves from %s to %s loses nothing and repeats nothing', async (from, to) => {
    let failures = 2;
    const world = await createWorld({
      behaviour,
      settings: { taskDeadlineMs: 10 ** 12 },
      parts: ({ store }) => ({
        store: troubled(store, (a, b) => a === from && b === to && failures-- > 0),
      }),
    });
    await expectSuccess(world, (await world.submit()).id);
    expect(failures).toBeLessThan(0);
  });

  it.each(MOVES)(
    'that makes writes but reports failure while a task moves from %s to %s is harmless',
    async (from, to) => {
      let failures = 1;
      const world = await createWorld({
        behaviour,
        settings: { taskDeadlineMs: 10 ** 12 },
        parts: ({ store }) => ({
          store: troubled(store, (a, b) => a === from && b === to && failures-- > 0, true),
        }),
      });
      await expectSuccess(world, (await world.submit()).id);
    },
  );

  it('while the gateway stops does not turn a received answer into a lost submission', async () => {
    let tries = 0;
    const world = await createWorld({
      abilities: [],
      parts: ({ store }) => ({
        store: troubled(store, (_, to) => {
          if (to === 'running') tries += 1;
          return to === 'running';
        }),
      }),
    });
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    held.release();
    await eventually(() => expect(tries).toBe(1));
    await world.engine.drain(20);
    // The next try is the last: it notices that the gateway stops.
    await eventually(() => expect(tries).toBe(2));
    await world.idle();
    expect((await world.task(id)).phase).toBe('submitting');
  });

  it('refuses a submission, and nothing of it remains', async () => {
    const world = await createWorld({
      parts: ({ store }) => ({
        store: {
          ...store,
          accept: async () => {
            throw DOWN;
          },
        },
      }),
    });
    await expect(world.submit()).rejects.toThrow(DOWN);
    expect(await world.store.listTasks({ projectId: 'project', limit: 1 })).toEqual([]);
    expect(world.engine.unfinished).toBe(0);
  });
});

describe('a task that another driver adopted', () => {
  it('is released with its place', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) => (prompt === 'taken' ? { answers: ['queued', 'in_progress'] } : {}),
    });
    const { id } = await world.submit('taken');
    await world.reaches(id, 'running');
    await world.store.adopt('another-node', 10);
    await world.advance(120_000);
    expect(await world.task(id)).toMatchObject({ owner: 'another-node', version: 4 });
    // The second poll showed that the task belongs to another driver; there was no third.
    expect(world.upstream.count('poll', id)).toBe(2);
    expect(world.engine.unfinished).toBe(0);
    expect((await world.ends((await world.submit('next')).id)).phase).toBe('succeeded');
  });

  it('is no longer written, not even under the name of the other driver', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    await world.submit('first');
    const waiting = await world.submit('waiting');
    const [, taken] = await world.store.adopt('another-node', 10);
    const outcomes = await Promise.all([world.engine.cancel(waiting), world.engine.cancel(waiting)]);
    expect(outcomes).toEqual([taken, taken]);
    expect(await world.task(waiting.id)).toEqual(taken);
  });
});
