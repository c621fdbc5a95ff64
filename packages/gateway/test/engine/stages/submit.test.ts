import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { lookedUp, SETTLED_MS } from '../../../src/providers/http/judge.ts';
import { SendRefused, type UnknownSubmission, UpstreamError } from '../../../src/providers/provider.ts';
import { type Event, type Move, move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { eventually } from '../../support/eventually.ts';
import type { Behaviour } from '../../support/servers/recordingUpstream.ts';

const CANCELLED: Event = {
  type: 'failed',
  outcome: 'cancelled',
  error: { code: 499, reason: 'cancelled', message: 'The task was cancelled.' },
};

describe('a submission whose answer was lost', () => {
  it('is found by its key and goes on; it is not submitted again', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['answer_lost'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('start')).toBe(1);
    expect(task.attempt).toMatchObject({ number: 1, upstreamId: 'one-1' });
  });

  it('is submitted again once the upstream is certain that it never arrived', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['request_lost', 'accepted'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(task.attempt?.number).toBe(2);
    const keys = world.upstream.records.filter(({ call }) => call === 'start').map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
  });

  it('fails, and is not repeated, where the upstream cannot tell', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'] }),
      abilities: ['askMany', 'cancel'],
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'submission_unknown', code: 502 });
    expect(task.attempt?.outcome).toBe('unknown');
    expect(world.upstream.count('start')).toBe(1);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('is looked for more than once before it counts as unknown: lists lag', async () => {
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

  it('does not take the job of one like it that is lost too, while its own may arrive yet', async () => {
    let first = '';
    const world = await createWorld({
      behaviour: (_prompt, id) => ({ start: [id === first ? 'answer_lost' : 'request_lost', 'accepted'] }),
    });
    const jobs = () =>
      world.upstream.records.flatMap(({ call, upstreamId }) => (call === 'start' && upstreamId) || []);
    let looks = 0;
    // An upstream that tells jobs apart by what they ask for alone.
    world.provider.find = async ({ taskId, isKnown, sinceGivenUp }) => {
      looks += 1;
      if (taskId === first && looks < 2) return { found: false, certainty: 'unknown' };
      if (taskId !== first && sinceGivenUp() > 50_000 && !jobs().includes('late'))
        world.upstream.record({
          call: 'start',
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

  it('waits for an upstream that cannot be asked, for as long as the task may take', async () => {
    const world = await createWorld({
      behaviour: () => ({
        start: ['answer_lost'],
        find: [...Array.from({ length: 20 }, () => ({ error: 'upstream_unavailable' }) as const), 'look'],
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('start')).toBe(1);
  });

  it('fails as unknown where the upstream could not be asked until the deadline', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: [{ error: 'upstream_unavailable' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error?.reason).toBe('submission_unknown');
    expect(task.completedAt).toBeGreaterThanOrEqual(task.deadlineAt);
  });

  it('is submitted again where the operator chose to, at the price of perhaps a second bill', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost', 'accepted'] }),
      abilities: [],
      settings: { resubmitUnknown: true },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('start')).toBe(2);
  });

  it('is unknown too when an adapter throws something that it should not', async () => {
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async start(job, signal) {
          await provider.start(job, signal);
          throw new TypeError('x is not a function');
        },
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('start')).toBe(1);
  });
});

describe('a submission that this node may not send at the moment', () => {
  it('is sent a little later, and is held against nobody', async () => {
    let refusals = 3;
    const world = await createWorld({
      settings: { maxAttempts: 2 },
      provider: (provider) => ({
        ...provider,
        async start(job, sending) {
          if (refusals-- > 0) throw new SendRefused();
          return provider.start(job, sending);
        },
      }),
    });
    const { id } = await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked: false }]);
    // Others are not held up, as they would be behind an account that is left alone.
    const other = await world.submit('another boat');
    await world.advance(3500);
    expect((await world.task(other.id)).phase).toBe('running');
    expect((await world.task(id)).phase).toBe('running');
    expect(world.upstream.count('start')).toBe(2);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });
});

describe('what a submission leaves of its account', () => {
  const BUSY = { start: [{ refuse: 'upstream_unavailable' }, 'accepted'] } as const;

  it.each(['notSent', 'cancelled', 'inputs'] as const)(
    'is the turn to feel the way, where it was not made: %s',
    async (how) => {
      let tried = 0;
      const world: World = await createWorld({
        limits: { inFlight: 1 },
        behaviour: (prompt) => (prompt === 'first' ? BUSY : { answers: ['in_progress'] }),
        provider: (provider) => ({
          ...provider,
          async start(job, sending) {
            if (job.request.prompt === 'second' && tried++ === 0) {
              if (how === 'notSent') throw new SendRefused();
              throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'inputs' });
            }
            return provider.start(job, sending);
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
      // Refused for the moment: the next one feels the way alone.
      expect(world.engine.accounts()).toMatchObject([{ blocked: true }]);
      await world.engine.cancel(await world.task(first.id));
      await world.submit('second', { keyId: 'b' });
      const third = await world.submit('third', { keyId: 'c' });
      await world.advance(how === 'cancelled' ? 3000 : 10_000);
      const running = (await world.task(third.id)).phase === 'running' ? 1 : 0;
      expect(running + world.upstream.count('start')).toBeGreaterThanOrEqual(2);
      expect(tried).toBeGreaterThanOrEqual(1);
      expect(world.engine.accounts()).toMatchObject([{ inFlight: 1, blocked: false }]);
    },
  );

  it('is that it works, where it refused the request alone', async () => {
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
    expect(world.upstream.count('start')).toBe(2);
    expect(world.engine.accounts()).toMatchObject([{ blocked: false, inFlight: 0 }]);
  });

  it('is a pause for all, where its outcome is unknown', async () => {
    const world = await createWorld({ behaviour: () => ({ start: ['answer_lost'] }) });
    const held = world.provider.hold('find');
    await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked: true, inFlight: 1 }]);
    held.release();
  });
});

describe('a job that the upstream begins at once', () => {
  it.each(['in_progress', 'queued'] as const)('says so from the start: %s', async (state) => {
    const world = await createWorld({
      behaviour: () => ({ answers: ['queued'] }),
      provider: (provider) => ({
        ...provider,
        start: async (...given) => ({ ...(await provider.start(...given)), state }),
      }),
    });
    const task = await world.reaches((await world.submit()).id, 'running');
    expect(task.startedAt !== undefined).toBe(state === 'in_progress');
  });
});

describe('what a lost submission is looked for by', () => {
  async function looking() {
    const asked: UnknownSubmission[] = [];
    const world = await createWorld({
      behaviour: () => ({ start: ['answer_lost'], find: ['unknown', 'look'] }),
      provider: (provider) => ({
        ...provider,
        upstreamTime: () => 12_345.6,
        find(lost, signal) {
          asked.push(lost);
          return provider.find?.(lost, signal) ?? Promise.reject(new Error('cannot'));
        },
      }),
      parts: () => ({ upstreamRequest: ({ request }) => ({ ...request, duration: 5 }) }),
    });
    const { id } = await world.submit();
    await world.idle();
    const [lost] = asked;
    if (!lost) throw new Error('nobody looked');
    return { world, id, lost, asked };
  }

  it('is what was asked for, by the clocks of both sides', async () => {
    const { world, id, lost } = await looking();
    const { attempt } = await world.task(id);
    expect(lost).toMatchObject({
      taskId: id,
      idempotencyKey: attempt?.idempotencyKey,
      upstreamModel: 'upstream-model',
      intendedAt: attempt?.intendedAt,
      intendedThereAt: 12_345,
      request: { duration: 5 },
    });
    expect(await lost.isKnown('one-1')).toBe(false);
    await world.ends(id);
    expect(await lost.isKnown('one-1')).toBe(true);
  });

  it('is how long ago it was: the longer of what both clocks say, and never shorter than what has passed', async () => {
    const { world, lost } = await looking();
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([0, 0]);
    await world.advance(1500);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([1500, 1500]);
    world.timers.setWallClock(-3_600_000);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([1500, 1500]);
    world.timers.setWallClock(7_200_000);
    expect([lost.sinceIntent?.(), lost.sinceGivenUp()]).toEqual([3_601_500, 1500]);
  });

  it('is not how long ago it was where another process made it', async () => {
    const { world, asked } = await looking();
    const next = await world.crash({
      provider: (provider) => ({
        ...provider,
        find(lost, signal) {
          asked.push(lost);
          return provider.find?.(lost, signal) ?? Promise.reject(new Error('cannot'));
        },
      }),
    });
    await next.idle();
    expect(asked).toHaveLength(2);
    expect(asked[1]?.sinceIntent).toBeUndefined();
    expect(asked[1]?.intendedThereAt).toBe(12_345);
  });
});

describe('an upstream that does not answer', () => {
  it('is given up after the time that a call may take: a submission, and a look for it', async () => {
    const world = await createWorld({ settings: { callTimeoutMs: 30 } });
    world.provider.hold('start');
    const finds = world.provider.hold('find');
    let looks = 0;
    const { find } = world.provider;
    world.provider.find = (...given) => {
      looks += 1;
      return find?.(...given) ?? Promise.reject(new Error('cannot'));
    };
    const { id } = await world.submit();
    await eventually(async () => {
      await world.advance(2000);
      expect(looks).toBeGreaterThan(1);
    });
    finds.release();
    await eventually(async () => {
      await world.advance(2000);
      expect((await world.task(id)).attempt?.number).toBeGreaterThan(1);
    });
  });
});

describe('a task whose lost submission may be made again', () => {
  it('is made as often as the settings allow, over restarts too', async () => {
    const options: WorldOptions = {
      behaviour: () => ({ start: ['answer_lost'] }),
      abilities: [],
      settings: { resubmitUnknown: true, maxAttempts: 3 },
    };
    const world = await createWorld(options);
    const { id } = await world.submit();
    await world.idle();
    expect(world.upstream.count('start')).toBe(1);
    const next = await world.crash();
    const task = await next.ends(id);
    expect(task).toMatchObject({ phase: 'failed', attempt: { number: 3 } });
    expect(next.upstream.count('start')).toBe(3);
  });
});

describe('a gateway killed while it submitted', () => {
  it('finds the job that the upstream took', async () => {
    const answer = Promise.withResolvers<void>();
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async start(job, signal) {
          const started = await provider.start(job, signal);
          await answer.promise;
          return started;
        },
      }),
    });
    const { id } = await world.submit();
    await world.upstream.seen(({ call }) => call === 'start');
    const next = await world.crash({});
    answer.resolve();
    const task = await next.ends(id);
    expect(task).toMatchObject({ phase: 'succeeded', attempt: { number: 1, upstreamId: 'one-1' } });
    expect(next.upstream.count('start')).toBe(1);
  });

  it('makes another attempt where the upstream never heard of it', async () => {
    const world = await createWorld();
    world.provider.hold('start');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    const next = await world.crash();
    expect(await next.ends(id)).toMatchObject({ phase: 'succeeded', attempt: { number: 2 } });
  });

  it('fails the task where nobody can be asked: the account is gone', async () => {
    const world = await createWorld();
    world.provider.hold('start');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    const next = await world.crash({ accounts: ['another'] });
    expect((await next.ends(id)).error?.reason).toBe('submission_unknown');
    expect(next.upstream.count('start')).toBe(0);
  });
});

describe('an upstream that gives an id twice', () => {
  it('has one task driven by it, and the other fails without a charge', async () => {
    const logged: Record<string, unknown>[] = [];
    const world = await createWorld({
      behaviour: () => ({ answers: ['in_progress', 'in_progress', 'succeeded'] }),
      provider: (provider) => ({
        ...provider,
        start: async (job, sending) => ({ ...(await provider.start(job, sending)), upstreamId: 'one-1' }),
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
    // Also when the first is long over.
    const third = await world.ends((await world.submit('a train')).id);
    expect(third.error?.reason).toBe('submission_unknown');
  });
});

describe('what this process alone knows of a submission', () => {
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
    ['trouble of this machine', ({ task }) => task.phase === 'accepted', 'ours', 'running'],
    ['that its id is another’s', ({ task }) => task.phase === 'failed', 'reused', 'failed'],
    ['that nobody can tell', ({ task }) => task.phase === 'failed', 'answer_lost', 'failed'],
  ])('is written once the store is back: %s', async (_what, isIt, first, phase) => {
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
        async start(...given) {
          starts += 1;
          if (starts === 1 && first === 'notSent') throw new SendRefused();
          if (starts === 1 && first === 'ours')
            throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'machine' });
          return provider.start(...given);
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

describe('trouble of this machine', () => {
  it.each([
    ['with the inputs of one task says nothing against the account', 'inputs', false],
    ['with its connections is a pause for all', 'machine', true],
  ] as const)('%s', async (_what, ours, blocked) => {
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        start: () => Promise.reject(new UpstreamError('upstream_unavailable', { created: 'no', ours })),
      }),
    });
    await world.submit();
    await world.idle();
    expect(world.engine.accounts()).toMatchObject([{ blocked, inFlight: 0 }]);
  });

  it('is tried again after twice as long each time, two minutes at most, and not past the deadline', async () => {
    const tries: number[] = [];
    const world: World = await createWorld({
      limits: { inFlight: 1 },
      settings: { taskDeadlineMs: 600_000 },
      provider: (provider) => ({
        ...provider,
        async start() {
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
  ])('is not tried again where the task %s meanwhile', async (_what, happens) => {
    let tries = 0;
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async start() {
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
