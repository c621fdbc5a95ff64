import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A world, and its polls: the time and the jobs of each call. */
async function asking(options: WorldOptions = {}) {
  const calls: { at: number; jobs: number }[] = [];
  let underWay = 0;
  let most = 0;
  const count = async <T>(jobs: number, call: () => Promise<T> | undefined) => {
    calls.push({ at: world.timers.trueTime(), jobs });
    underWay += 1;
    most = Math.max(most, underWay);
    try {
      return await call();
    } finally {
      underWay -= 1;
    }
  };
  const world: World = await createWorld({
    ...options,
    provider: (provider) => ({
      ...provider,
      poll: async (handle, signal) =>
        (await count(1, () => provider.poll(handle, signal))) ?? { state: 'missing' },
      ...(provider.pollMany
        ? {
            pollMany: async (handles, signal) =>
              (await count(handles.length, () => provider.pollMany?.(handles, signal))) ?? new Map(),
          }
        : {}),
    }),
  });
  return { world, calls, most: () => most, underWay: () => underWay };
}

const running = async (world: World, count: number) => {
  const tasks = await Promise.all(Array.from({ length: count }, () => world.submit()));
  for (const { id } of tasks) await world.reaches(id, 'running');
  return tasks;
};

describe('polls of one account', () => {
  it('run sixteen at a time, and the others follow', async () => {
    const { world, most, underWay } = await asking({
      limits: { pollsPerSecond: 10_000 },
      behaviour: () => ({ answers: ['in_progress', 'succeeded'] }),
    });
    const tasks = await running(world, 20);
    const held = world.provider.hold('poll');
    await world.advance(MINUTE);
    expect(underWay()).toBe(16);
    held.release();
    for (const { id } of tasks) expect((await world.ends(id)).phase).toBe('succeeded');
    expect(most()).toBe(16);
  });

  it('have one job each if the upstream cannot poll in batches', async () => {
    const { world, calls } = await asking({ abilities: [], limits: { pollBatch: 20 } });
    for (const { id } of await running(world, 5)) await world.ends(id);
    expect(calls.map(({ jobs }) => jobs)).toEqual([1, 1, 1, 1, 1]);
    // All at once: none had to wait for the answer of another.
    expect(new Set(calls.map(({ at }) => at)).size).toBe(1);
  });

  it('pause for a second if the upstream limits them without a time', async () => {
    let limited = true;
    const { world, calls } = await asking({
      behaviour: () => ({ answers: [limited ? { error: 'rate_limited' } : 'in_progress'] }),
    });
    const [first] = await running(world, 2);
    const hint = async () => {
      world.engine.hint('one', (await world.task(first?.id ?? '')).attempt?.upstreamId ?? '');
      await world.idle();
    };
    await hint();
    limited = false;
    const asked = calls.length;
    const at = world.timers.now();
    await hint();
    await world.advance(999);
    expect(calls).toHaveLength(asked);
    await world.advance(1);
    expect(calls.slice(asked).map((call) => call.at)).toContain(at + 1000);
  });

  it('end with the gateway, and none begins after that', async () => {
    const { world, calls, underWay } = await asking({ behaviour: () => ({ answers: ['in_progress'] }) });
    await running(world, 3);
    world.provider.hold('poll');
    await world.advance(MINUTE);
    expect(underWay()).toBe(3);
    await world.engine.drain(1000);
    expect(underWay()).toBe(0);
    const asked = calls.length;
    for (const upstreamId of ['one-1', 'one-2', 'one-3']) world.engine.hint('one', upstreamId);
    await world.idle();
    expect(calls).toHaveLength(asked);
  });

  it('that fail are repeated when the upstream says, or after their back-off, whichever is later', async () => {
    const unavailable = (retryAfterMs: number) => ({ error: 'upstream_unavailable', retryAfterMs }) as const;
    const answers = [unavailable(5000), unavailable(100), unavailable(100), 'succeeded'] as const;
    const { world, calls } = await asking({ behaviour: () => ({ answers }) });
    await world.ends((await world.submit()).id);
    const waits = calls.slice(1).map(({ at }, index) => at - (calls[index]?.at ?? 0));
    expect(waits).toEqual([5000, 2000, 4000]);
  });
});

describe('a job that the upstream does not know', () => {
  const cancelling = (answers: WorldOptions['behaviour']) =>
    asking({ settings: { taskDeadlineMs: 10 * HOUR }, ...(answers ? { behaviour: answers } : {}) });

  it('counts as gone ten minutes after it was missed, if it is to be cancelled', async () => {
    const { world } = await cancelling(() => ({ cancel: ['pending'], answers: ['missing'] }));
    const { id } = await world.submit();
    const { now } = world.timers;
    await world.engine.cancel(await world.reaches(id, 'running'));
    await world.advance(20_000);
    const missedAt = now();
    await world.advance(9 * MINUTE);
    expect((await world.task(id)).phase).toBe('running');
    const task = await world.ends(id);
    expect(task).toMatchObject({ error: { reason: 'expired' }, attempt: { outcome: 'expired' } });
    expect(task.error?.message).toMatch(/no longer knew/);
    expect((task.completedAt ?? 0) - missedAt).toBeLessThan(12 * MINUTE);
  });

  it('is otherwise polled until its deadline', async () => {
    const { world } = await cancelling(() => ({ answers: ['missing'] }));
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    await world.advance(9 * HOUR);
    expect((await world.task(id)).phase).toBe('running');
  });

  it('is missed from the time when it was missed again', async () => {
    let state: 'missing' | 'in_progress' = 'missing';
    const { world } = await cancelling(() => ({ cancel: ['pending'], answers: [state] }));
    const { id } = await world.submit();
    await world.engine.cancel(await world.reaches(id, 'running'));
    await world.advance(8 * MINUTE);
    state = 'in_progress';
    await world.advance(2 * MINUTE);
    state = 'missing';
    await world.advance(8 * MINUTE);
    expect((await world.task(id)).phase).toBe('running');
    await world.advance(6 * MINUTE);
    expect((await world.task(id)).phase).toBe('failed');
  });
});

describe('an upstream that cannot be polled', () => {
  it('is waited for ten minutes past the deadline, and not much longer', async () => {
    const { world } = await asking({
      settings: { taskDeadlineMs: 10 * MINUTE },
      behaviour: () => ({ answers: [{ error: 'upstream_unavailable' }] }),
    });
    const { completedAt = 0, deadlineAt, error } = await world.ends((await world.submit()).id);
    expect(error?.message).toMatch(/did not finish/);
    expect(completedAt - deadlineAt).toBeGreaterThan(10 * MINUTE);
    expect(completedAt - deadlineAt).toBeLessThanOrEqual(11 * MINUTE);
  });
});

describe('a failure from the upstream', () => {
  it.each([
    ['cancelled', 'cancelled'],
    ['upstream_failed', 'failed'],
  ] as const)('%s ends the attempt as %s, with the message for the operator', async (reason, outcome) => {
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        poll: async () => ({ state: 'failed', reason, message: 'No.', detail: 'the words of the upstream' }),
      }),
    });
    const task = await world.ends((await world.submit()).id);
    expect(task).toMatchObject({
      error: { reason, message: 'No.' },
      attempt: { outcome, detail: 'the words of the upstream' },
    });
  });

  it('has no message if the upstream has none', async () => {
    let asked = 0;
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async poll(handle, signal) {
          asked += 1;
          if (asked === 1) throw new UpstreamError('upstream_failed', { detail: 'odd' });
          return provider.poll(handle, signal);
        },
      }),
    });
    expect((await world.ends((await world.submit()).id)).phase).toBe('succeeded');
  });
});
