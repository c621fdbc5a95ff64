import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { SendRefused } from '../../../src/providers/provider.ts';
import { lookedUp, SETTLED_MS } from '../../../src/providers/search/judge.ts';
import { StoreRefused } from '../../../src/store/errors.ts';
import type { Phase } from '../../../src/tasks/task.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { fixedInterval } from '../../support/engineParts.ts';
import { createWorld } from '../../support/engineWorld.ts';

describe('a lost submission', () => {
  it('is found by its key and continues; it is not repeated', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['answer_lost'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('submit')).toBe(1);
    expect(task.attempt).toMatchObject({ number: 1, upstreamId: 'one-1' });
  });

  it('is repeated once the upstream is certain that it never arrived', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['request_lost', 'accepted'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(task.attempt?.number).toBe(2);
    const keys = world.upstream.records.filter(({ call }) => call === 'submit').map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
  });

  it('fails and is not repeated if the upstream cannot tell', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'] }),
      abilities: ['pollMany', 'cancel'],
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'submission_unknown', code: 502 });
    expect(task.attempt?.outcome).toBe('unknown');
    expect(world.upstream.count('submit')).toBe(1);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('is searched for more than once before it counts as unknown, because lists lag', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: ['unknown', 'unknown', 'look'] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('find')).toBe(3);
  });

  it('fails once the upstream has said often enough that it does not know', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: ['unknown'] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error?.reason).toBe('submission_unknown');
    expect(world.upstream.count('find')).toBe(6);
  });

  it('does not get the job of a similar lost submission while its own request may still arrive', async () => {
    let first = '';
    const world = await createWorld({
      behaviour: (_prompt, id) => ({ start: [id === first ? 'answer_lost' : 'request_lost', 'accepted'] }),
    });
    const jobs = () =>
      world.upstream.records.flatMap(({ call, upstreamId }) => (call === 'submit' && upstreamId) || []);
    let looks = 0;
    // This upstream tells jobs apart only by their request.
    world.provider.find = async ({ taskId, isKnown, sinceGivenUp }) => {
      looks += 1;
      if (taskId === first && looks < 2) return { found: false, certainty: 'unknown' };
      if (taskId !== first && sinceGivenUp() > 50_000 && !jobs().includes('late'))
        world.upstream.record({
          call: 'submit',
          account: 'one',
          taskId,
          key: 'late',
          upstreamId: 'late',
          outcome: 'accepted',
        });
      for (const upstreamId of jobs()) if (!(await isKnown(upstreamId))) return { found: true, upstreamId };
      return sinceGivenUp() < SETTLED_MS ? { found: false, certainty: 'unknown' } : lookedUp(undefined);
    };
    const tasks = [await world.submit(), await world.submit()];
    first = tasks[0]?.id ?? '';
    const ended = await Promise.all(tasks.map(({ id }) => world.ends(id)));
    expect(ended.map(({ attempt }) => attempt?.number)).toEqual([1, 1]);
    expect(new Set(ended.map(({ attempt }) => attempt?.upstreamId)).size).toBe(2);
  });

  it('waits for an upstream that cannot be asked, until the deadline of the task', async () => {
    const world = await createWorld({
      behaviour: () => ({
        start: ['answer_lost'],
        find: [...Array.from({ length: 20 }, () => ({ error: 'upstream_unavailable' }) as const), 'look'],
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('submit')).toBe(1);
  });

  it('that was found is searched for again for as long as the store refuses its id', async () => {
    let refusals = 0;
    const refused = (phase: Phase) => (phase === 'running' || phase === 'failed') && refusals++ < 30;
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'] }),
      parts: ({ store }) => ({
        store: {
          ...store,
          async claim(move) {
            if (refused(move.task.phase)) throw new StoreRefused(new Error('no'));
            return store.claim(move);
          },
          async commit(move, media) {
            if (refused(move.task.phase)) throw new StoreRefused(new Error('no'));
            return store.commit(move, media);
          },
        },
      }),
    });
    expect(await world.ends((await world.submit()).id)).toMatchObject({
      phase: 'succeeded',
      attempt: { number: 1, upstreamId: 'one-1' },
    });
    expect(world.upstream.count('find')).toBeGreaterThan(6);
    expect(world.upstream.count('submit')).toBe(1);
  });

  it('fails as unknown if the upstream could not be asked until the deadline', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: [{ error: 'upstream_unavailable' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error?.reason).toBe('submission_unknown');
    expect(task.completedAt).toBeGreaterThanOrEqual(task.deadlineAt);
  });

  it('is repeated if the operator chose that, at the risk of a second bill', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost', 'accepted'] }),
      abilities: [],
      settings: { resubmitUnknown: true },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('submit')).toBe(2);
  });

  it('also counts as unknown if an adapter throws an unexpected error', async () => {
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async submit(job, signal) {
          await provider.submit(job, signal);
          throw new TypeError('x is not a function');
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('submit')).toBe(1);
  });
});

describe('a submission that this node must not send at the moment', () => {
  it('is sent a little later, and affects no account', async () => {
    let refusals = 3;
    const world = await createWorld({
      parts: () => ({ tracker: fixedInterval(15_000) }),
      settings: { maxAttempts: 2 },
      provider: (provider) => ({
        ...provider,
        async submit(job, sending) {
          if (refusals-- > 0) throw new SendRefused();
          return provider.submit(job, sending);
        },
      }),
    });
    const { id } = await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked: false }]);
    // Other tasks are not delayed, as they would be behind a blocked account.
    const other = await world.submit('another boat');
    await world.advance(3500);
    expect((await world.task(other.id)).phase).toBe('running');
    expect((await world.task(id)).phase).toBe('running');
    expect(world.upstream.count('submit')).toBe(2);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });
});

describe('a job that the upstream starts at once', () => {
  it.each(['in_progress', 'queued'] as const)('has its status from the start: %s', async (state) => {
    const world = await createWorld({
      behaviour: () => ({ answers: ['queued'] }),
      provider: (provider) => ({
        ...provider,
        submit: async (...given) => ({ ...(await provider.submit(...given)), state }),
      }),
    });
    const task = await world.reaches((await world.submit()).id, 'running');
    expect(task.startedAt !== undefined).toBe(state === 'in_progress');
  });
});

describe('a gateway that is killed during a submission', () => {
  it('finds the job that the upstream accepted', async () => {
    const answer = Promise.withResolvers<void>();
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async submit(job, signal) {
          const started = await provider.submit(job, signal);
          await answer.promise;
          return started;
        },
      }),
    });
    const { id } = await world.submit();
    await world.upstream.seen(({ call }) => call === 'submit');
    const next = await world.crash({});
    answer.resolve();
    const task = await next.ends(id);
    expect(task).toMatchObject({ phase: 'succeeded', attempt: { number: 1, upstreamId: 'one-1' } });
    expect(next.upstream.count('submit')).toBe(1);
  });

  it('makes another attempt if the upstream never received the request', async () => {
    const world = await createWorld();
    world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    const next = await world.crash();
    expect(await next.ends(id)).toMatchObject({ phase: 'succeeded', attempt: { number: 2 } });
  });

  it('fails the task if nobody can be asked because the account is gone', async () => {
    const world = await createWorld();
    world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    const next = await world.crash({ accounts: ['another'] });
    expect((await next.ends(id)).error?.reason).toBe('submission_unknown');
    expect(next.upstream.count('submit')).toBe(0);
  });
});

describe('an upstream that returns the same id twice', () => {
  it('keeps the first task on it, and the other one fails without a charge', async () => {
    const logged: Record<string, unknown>[] = [];
    const world = await createWorld({
      behaviour: () => ({ answers: ['in_progress', 'in_progress', 'succeeded'] }),
      provider: (provider) => ({
        ...provider,
        submit: async (job, sending) => ({ ...(await provider.submit(job, sending)), upstreamId: 'one-1' }),
      }),
      parts: () => ({ log: pino({ level: 'error' }, { write: (line) => logged.push(JSON.parse(line)) }) }),
    });
    const tasks = await Promise.all([world.submit('a boat'), world.submit('a plane')]);
    const [first, second] = await Promise.all(tasks.map(({ id }) => world.ends(id)));
    const phases = [first?.phase, second?.phase];
    expect(phases.toSorted()).toEqual(['failed', 'succeeded']);
    const failed = first?.phase === 'failed' ? first : second;
    expect(failed).toMatchObject({
      error: { reason: 'submission_unknown' },
      attempt: { outcome: 'unknown', detail: expect.stringContaining('one-1') },
    });
    expect(failed?.attempt?.upstreamId).toBeUndefined();
    expect(await world.ledger(failed?.id ?? '')).toEqual({ hold: 400_000, release: 400_000 });
    expect(logged).toContainEqual(
      expect.objectContaining({ event: 'upstream.id_reused', task: failed?.id, upstreamId: 'one-1' }),
    );
    // The same after the first task has ended long ago.
    const third = await world.ends((await world.submit('a train')).id);
    expect(third.error?.reason).toBe('submission_unknown');
  });
});

it('a submission is not begun once draining has begun, although its task was waiting for the upstream’s time', async () => {
  const told = Promise.withResolvers<number>();
  const world = await createWorld({
    provider: (provider) => ({ ...provider, upstreamTime: () => told.promise }),
  });
  const { id } = await world.submit();
  const drained = world.engine.drain(10_000);
  told.resolve(START_OF_TIME);
  await drained;
  expect(world.upstream.count('submit')).toBe(0);
  expect((await world.task(id)).phase).toBe('accepted');
  expect(world.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
});

it('a submission whose intent is being stored when draining begins is sent: otherwise its next driver would have to search for it', async () => {
  const writing = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const world = await createWorld({
    behaviour: () => ({ answers: ['in_progress'] }),
    abilities: ['pollMany', 'cancel'],
    parts: ({ store }) => ({
      store: {
        ...store,
        async commit(move, media) {
          if (move.task.phase === 'submitting') {
            writing.resolve();
            await gate.promise;
          }
          return store.commit(move, media);
        },
      },
    }),
  });
  const { id } = await world.submit();
  await writing.promise;
  const drained = world.engine.drain(10_000);
  gate.resolve();
  await drained;
  expect(world.upstream.count('submit')).toBe(1);
  expect(await world.task(id)).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-1' } });
});
