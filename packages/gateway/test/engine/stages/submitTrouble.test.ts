import { describe, expect, it } from 'vitest';
import { SendRefused, UpstreamError } from '../../../src/providers/provider.ts';
import { type Event, type Move, move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { createWorld, type World } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import type { Behaviour } from '../../support/servers/recordingUpstream.ts';

const CANCELLED: Event = {
  type: 'failed',
  outcome: 'cancelled',
  error: { code: 499, reason: 'cancelled', message: 'The task was cancelled.' },
};

describe('the effect of a submission on its account', () => {
  const BUSY = { start: [{ refuse: 'upstream_unavailable' }, 'accepted'] } as const;

  it.each(['notSent', 'cancelled', 'inputs'] as const)(
    'is unchanged if it was not sent, so that the next task tries the account: %s',
    async (how) => {
      let tried = 0;
      const world: World = await createWorld({
        limits: { inFlight: 1 },
        behaviour: (prompt) => (prompt === 'first' ? BUSY : { answers: ['in_progress'] }),
        provider: (provider) => ({
          ...provider,
          async submit(job, sending) {
            if (job.request.prompt === 'second' && tried++ === 0) {
              if (how === 'notSent') throw new SendRefused();
              throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'inputs' });
            }
            return provider.submit(job, sending);
          },
        }),
        parts: ({ store }) => ({
          store: {
            ...store,
            async commit(given, media) {
              if (how !== 'cancelled' || tried > 0 || given.task.request.prompt !== 'second')
                return store.commit(given, media);
              tried += 1;
              // Somebody has cancelled it in between.
              const stored = await store.task(given.task.id);
              const failed = stored && move(stored, CANCELLED, stored.createdAt);
              if (failed) await store.commit(failed);
              return false;
            },
          },
        }),
      });
      const first = await world.submit('first', { keyId: 'a' });
      await world.idle();
      // Refused temporarily: only the next task tries the account.
      expect(world.engine.accounts()).toMatchObject([{ blocked: true }]);
      await world.engine.cancel(await world.task(first.id));
      await world.submit('second', { keyId: 'b' });
      const third = await world.submit('third', { keyId: 'c' });
      await world.advance(how === 'cancelled' ? 3000 : 10_000);
      const running = (await world.task(third.id)).phase === 'running' ? 1 : 0;
      expect(running + world.upstream.count('submit')).toBeGreaterThanOrEqual(2);
      expect(tried).toBeGreaterThanOrEqual(1);
      expect(world.engine.accounts()).toMatchObject([{ inFlight: 1, blocked: false }]);
    },
  );

  it('is that it works if only the request was refused', async () => {
    const world = await createWorld({
      behaviour: (prompt) => ({
        start: [{ refuse: prompt === 'first' ? 'upstream_unavailable' : 'content_rejected' }],
      }),
    });
    const first = await world.submit('first');
    await world.idle();
    await world.engine.cancel(await world.task(first.id));
    await world.submit('second');
    await world.advance(2000);
    expect(world.upstream.count('submit')).toBe(2);
    expect(world.engine.accounts()).toMatchObject([{ blocked: false, inFlight: 0 }]);
  });

  it('is a pause for all tasks if the outcome is unknown', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['answer_lost'] }) });
    const held = world.provider.hold('find');
    await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked: true, inFlight: 1 }]);
    held.release();
  });
});

describe('facts about a submission that only this process knows', () => {
  type Start = Exclude<NonNullable<Behaviour['start']>[number], 'accepted'>;
  const refused = (reason: 'content_rejected' | 'rate_limited'): Start => ({ refuse: reason });

  it.each<
    [string, (move: Move) => boolean, Start | 'accepted' | 'ours' | 'notSent' | 'reused', Task['phase']]
  >([
    ['the intent', ({ task }) => task.phase === 'submitting', 'accepted', 'running'],
    ['the id', ({ task }) => task.phase === 'running', 'accepted', 'running'],
    ['a refusal for good', ({ task }) => task.phase === 'failed', refused('content_rejected'), 'failed'],
    ['a refusal for the moment', ({ task }) => task.phase === 'accepted', refused('rate_limited'), 'running'],
    ['that it could not be sent', ({ task }) => task.phase === 'accepted', 'notSent', 'running'],
    ['a problem of this machine', ({ task }) => task.phase === 'accepted', 'ours', 'running'],
    ['that its id is another’s', ({ task }) => task.phase === 'failed', 'reused', 'failed'],
    ['that the outcome is unknown', ({ task }) => task.phase === 'failed', 'answer_lost', 'failed'],
  ])('are written once the store is available again: %s', async (_what, isIt, first, phase) => {
    let away = 2;
    let starts = 0;
    const failing =
      <Given extends readonly [Move, ...unknown[]], Outcome>(write: (...given: Given) => Promise<Outcome>) =>
      async (...given: Given): Promise<Outcome> => {
        if (isIt(given[0]) && away-- > 0) throw new Error('no connection');
        return write(...given);
      };
    const world = await createWorld({
      limits: { inFlight: 1 },
      abilities: ['cancel'],
      behaviour: () => ({
        start: [typeof first === 'object' || first === 'answer_lost' ? first : 'accepted', 'accepted'],
        answers: ['in_progress'],
      }),
      provider: (provider) => ({
        ...provider,
        async submit(...given) {
          starts += 1;
          if (starts === 1 && first === 'notSent') throw new SendRefused();
          if (starts === 1 && first === 'ours')
            throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'machine' });
          return provider.submit(...given);
        },
      }),
      parts: ({ store }) => ({
        store: {
          ...store,
          commit: failing(store.commit),
          claim: first === 'reused' ? async () => 'taken' : failing(store.claim),
        },
      }),
    });
    const { id } = await world.submit();
    await eventually(async () => {
      await world.advance(1000);
      expect((await world.task(id)).phase).toBe(phase);
    });
    expect(away).toBeLessThanOrEqual(0);
    expect(world.engine.accounts()).toMatchObject([{ inFlight: phase === 'running' ? 1 : 0 }]);
  });
});

describe('a problem of this machine', () => {
  it.each([
    ['with the inputs of one task says nothing against the account', 'inputs', false],
    ['with its connections is a pause for all', 'machine', true],
  ] as const)('%s', async (_what, ours, blocked) => {
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        submit: () => Promise.reject(new UpstreamError('upstream_unavailable', { created: 'no', ours })),
      }),
    });
    await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked, inFlight: 0 }]);
  });

  it('is retried at doubling intervals of up to two minutes, and not after the deadline', async () => {
    const tries: number[] = [];
    const world: World = await createWorld({
      limits: { inFlight: 1 },
      settings: { taskDeadlineMs: 600_000 },
      provider: (provider) => ({
        ...provider,
        async submit() {
          tries.push(world.timers.now());
          throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'inputs' });
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error?.reason).toBe('expired');
    const waits = tries.slice(1).map((at, n) => Math.round((at - (tries[n] ?? 0)) / 1000));
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120, 120]);
    expect(task.completedAt).toBe(task.deadlineAt);
  });

  it.each([
    ['was cancelled', async (world: World, task: Task) => void (await world.engine.cancel(task))],
    ['is stopped', async (world: World) => world.engine.drain(1000)],
  ])('is not retried if the task %s in the meantime', async (_what, happens) => {
    let tries = 0;
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async submit() {
          tries += 1;
          throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'inputs' });
        },
      }),
    });
    const { id } = await world.submit();
    await world.idle();
    await happens(world, await world.task(id));
    await world.advance(10_000);
    expect(tries).toBe(1);
  });
});
