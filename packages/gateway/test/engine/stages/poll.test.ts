import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createWorld, type World } from '../../support/engineWorld.ts';

describe('polling', () => {
  it('continues after errors, unknown jobs and odd answers: none of them ends a task', async () => {
    const world = await createWorld({
      behaviour: () => ({
        answers: [
          'in_progress',
          { error: 'upstream_unavailable' },
          { error: 'upstream_timeout' },
          { error: 'auth_failed' },
          { error: 'rate_limited', retryAfterMs: 20_000 },
          'missing',
          'missing',
          'queued',
          'succeeded',
        ],
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect(world.upstream.count('poll', task.id)).toBe(9);
  });

  it('starts its back-off again after an answer', async () => {
    const times: number[] = [];
    const error = { error: 'upstream_unavailable' } as const;
    const world: World = await createWorld({
      behaviour: () => ({
        answers: [...Array.from({ length: 8 }, () => error), 'in_progress', error, 'succeeded'],
      }),
      provider: (provider) => ({
        ...provider,
        poll(handle, signal) {
          times.push(world.timers.now());
          return provider.poll(handle, signal);
        },
      }),
    });
    await world.ends((await world.submit()).id);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(waits.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(waits[9]).toBe(1000);
  });

  it('ends a task only with a documented failure, with the upstream’s message', async () => {
    const world = await createWorld({
      behaviour: () => ({ answers: [{ failed: 'content_rejected', message: 'The prompt was refused.' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toEqual({ code: 400, reason: 'content_rejected', message: 'The prompt was refused.' });
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('tells the operator why a task failed, in the upstream’s words and without the caller’s', async () => {
    const logged: Record<string, unknown>[] = [];
    const log = pino({}, { write: (line) => logged.push(JSON.parse(line)) });
    const detail = 'E1301 node 7 of a small boat at dusk: out of memory';
    const world = await createWorld({
      behaviour: () => ({ answers: [{ failed: 'upstream_failed', message: 'It failed.', detail }] }),
      parts: () => ({ log }),
    });
    const { id } = await world.ends((await world.submit('a small boat at dusk')).id);
    const moved = logged.filter(({ event, task }) => event === 'task.moved' && task === id);
    expect(moved.at(-1)).toMatchObject({
      transition: 'failed',
      account: 'one',
      upstreamId: 'one-1',
      reason: 'upstream_failed',
      detail: 'E1301 node 7 of [prompt]: out of memory',
    });
    // Each line of a task tells where it is.
    expect(moved.find(({ transition }) => transition === 'submit_intended')).toMatchObject({
      account: 'one',
      attempt: 1,
    });
    expect(moved.find(({ transition }) => transition === 'submit_confirmed')).toMatchObject({
      upstreamId: 'one-1',
    });
    for (const line of moved.slice(0, -1)) expect(line).not.toHaveProperty('reason');
  });

  it('continues for a job that the upstream does not know until the deadline, at growing intervals', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['missing'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'expired', code: 504 });
    expect(task.error?.message).toMatch(/no longer knew/);
    expect(task.completedAt).toBeGreaterThanOrEqual(task.deadlineAt);
    expect((task.completedAt ?? 0) - task.deadlineAt).toBeLessThan(120_000);
    expect(world.upstream.count('poll')).toBeLessThan(80);
  });

  it('downloads a job that the upstream did not know for half an hour', async () => {
    const answers = [
      ...Array.from({ length: 35 }, () => 'missing' as const),
      'in_progress',
      'succeeded',
    ] as const;
    const world = await createWorld({ behaviour: () => ({ answers }) });
    const task = await world.ends((await world.submit()).id);
    expect(task).toMatchObject({ phase: 'succeeded', attempt: { number: 1 } });
    expect((task.completedAt ?? 0) - task.createdAt).toBeGreaterThan(1_800_000);
    expect(world.upstream.count('submit')).toBe(1);
  });

  it('continues if the job is seen now and then', async () => {
    const answers = ['missing', 'missing', 'missing', 'in_progress'] as const;
    const world = await createWorld({
      behaviour: () => ({ answers: [...Array.from({ length: 120 }, () => answers).flat(), 'succeeded'] }),
      settings: { taskDeadlineMs: 10 * 3_600_000 },
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.phase).toBe('succeeded');
    expect((task.completedAt ?? 0) - task.createdAt).toBeGreaterThan(600_000);
  });

  it('reports progress that never falls and never reaches 100 before the bytes are stored', async () => {
    const world = await createWorld({
      behaviour: () => ({
        answers: [{ progress: 40 }, { progress: 20 }, { progress: 70.9 }, { progress: 100 }, 'succeeded'],
      }),
    });
    const { id } = await world.submit();
    const seen: (number | undefined)[] = [];
    world.feed.onTask(id, () => seen.push(world.engine.live(id)?.percent));
    await world.ends(id);
    const told = seen.filter((percent) => percent !== undefined);
    expect([...new Set(told)]).toEqual([40, 70, 99]);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it('happens at once after a hint', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['in_progress', 'succeeded'] }) });
    const { id } = await world.submit();
    const { attempt } = await world.reaches(id, 'running');
    const before = world.timers.now();
    world.provider.sayHint(attempt?.upstreamId ?? '');
    await world.idle();
    expect(world.upstream.count('poll')).toBe(1);
    world.engine.hint('one', attempt?.upstreamId ?? '');
    await world.idle();
    expect((await world.task(id)).phase).toBe('succeeded');
    expect(world.timers.now()).toBe(before);
  });

  it('ignores hints for jobs of others', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['in_progress'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    world.engine.hint('one', 'not-ours');
    world.engine.hint('two', 'one-1');
    await world.idle();
    expect(world.upstream.count('poll')).toBe(0);
  });

  it('keeps within the rate of the account, with many tasks per request if the upstream supports it', async () => {
    const batches: number[] = [];
    const times: number[] = [];
    const world: World = await createWorld({
      limits: { pollsPerSecond: 2, pollBatch: 20, inFlight: 1000 },
      behaviour: () => ({ answers: ['in_progress', 'in_progress', 'succeeded'] }),
      provider: (provider) => ({
        ...provider,
        async poll(handle, signal) {
          batches.push(1);
          times.push(world.timers.now());
          return provider.poll(handle, signal);
        },
        async pollMany(handles, signal) {
          batches.push(handles.length);
          times.push(world.timers.now());
          return (await provider.pollMany?.(handles, signal)) ?? new Map();
        },
      }),
    });
    const tasks = await Promise.all(Array.from({ length: 200 }, () => world.submit()));
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
    expect(Math.max(...batches)).toBe(20);
    // The allowance of one second may have been saved: never more than four within a second.
    for (const [index, time] of times.slice(4).entries()) {
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(1000);
    }
    expect(batches.reduce((sum, size) => sum + size, 0)).toBeGreaterThanOrEqual(600);
  });

  it('does not apply one lost answer of a batch to the others', async () => {
    const world = await createWorld({
      limits: { pollBatch: 10, pollsPerSecond: 1 },
      provider: (provider) => ({
        ...provider,
        async pollMany(handles, signal) {
          const answers = new Map(await provider.pollMany?.(handles, signal));
          answers.delete(handles[0]?.upstreamId ?? '');
          return answers;
        },
      }),
    });
    const tasks = await Promise.all(Array.from({ length: 5 }, () => world.submit()));
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('pauses for the whole account if the upstream limits polls', async () => {
    const world = await createWorld({
      behaviour: (prompt) =>
        prompt === 'first'
          ? { answers: [{ error: 'rate_limited', retryAfterMs: 300_000 }, 'succeeded'] }
          : {},
    });
    const first = await world.submit('first');
    await world.idle();
    const second = await world.submit('second');
    await world.reaches(second.id, 'running');
    world.engine.hint('one', (await world.task(first.id)).attempt?.upstreamId ?? '');
    await world.idle();
    await world.advance(299_000);
    expect(world.upstream.count('poll')).toBe(1);
    expect((await world.ends(second.id)).phase).toBe('succeeded');
    expect((await world.ends(first.id)).phase).toBe('succeeded');
  });
});

describe('a deadline', () => {
  const settings = { taskDeadlineMs: 600_000 };

  it('ends a task only after a last poll', async () => {
    const world = await createWorld({ settings, behaviour: () => ({ answers: ['in_progress'] }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.error).toMatchObject({ reason: 'expired', code: 504 });
    expect(task.completedAt).toBeGreaterThan(task.deadlineAt);
    expect(task.completedAt).toBeLessThan(task.deadlineAt + 60_000);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('does not end a task that turns out to be finished', async () => {
    let over = false;
    const world = await createWorld({
      settings,
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    await world.advance(599_000);
    over = true;
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('waits ten more minutes for an upstream that cannot be polled, then ends the task', async () => {
    const world = await createWorld({
      settings,
      behaviour: () => ({ answers: [{ error: 'upstream_unavailable' }] }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task.error?.reason).toBe('expired');
    expect(task.completedAt).toBeGreaterThan(task.deadlineAt + 600_000);
  });

  it('ends a task whose account is no longer configured', async () => {
    const world = await createWorld({ settings, behaviour: () => ({ answers: ['in_progress'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.restart({ settings, accounts: ['another'] });
    expect((await next.ends(id)).error?.reason).toBe('expired');
  });

  it('releases the place of the task that it ends', async () => {
    const world = await createWorld({
      settings,
      limits: { inFlight: 1 },
      behaviour: (prompt) => (prompt === 'endless' ? { answers: ['in_progress'] } : {}),
    });
    await world.ends((await world.submit('endless')).id);
    expect((await world.ends((await world.submit('next')).id)).phase).toBe('succeeded');
  });
});
