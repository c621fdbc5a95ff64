import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { aNewTask } from '../../support/builders.ts';
import { createWorld, type WorldOptions } from '../../support/engineWorld.ts';

const HOUR_MS = 3_600_000;

/** A world whose accounts refuse every submission as long as they are listed in `broken`. */
async function brokenWorld(
  reason: 'auth_failed' | 'quota_exhausted' = 'auth_failed',
  options: WorldOptions = {},
) {
  const broken = new Set(options.accounts ?? ['one']);
  const tries: string[] = [];
  const given: WorldOptions = {
    ...options,
    provider: (provider, account) => ({
      ...provider,
      async submit(job, how) {
        tries.push(account);
        if (broken.has(account))
          throw new UpstreamError(reason, { created: 'no', detail: 'sk-secret is bad' });
        return provider.submit(job, how);
      },
    }),
  };
  return { world: await createWorld(given), broken, tries, options: given };
}

describe('an account whose credential is refused', () => {
  it.each([
    ['auth_failed', /credentials/],
    ['quota_exhausted', /balance or quota/],
  ] as const)('(%s) makes all its tasks wait, and reports why and until when', async (reason, words) => {
    const { world, tries } = await brokenWorld(reason);
    const first = await world.submit();
    await world.idle();
    const second = await world.submit('another', { keyId: 'other' });
    await world.idle();
    expect(tries).toEqual(['one']);
    for (const { id } of [first, second]) {
      const task = await world.task(id);
      expect(task.phase).toBe('accepted');
      const waiting = world.engine.waiting(task);
      expect(waiting).toMatchObject({
        for: 'account_blocked',
        trouble: reason,
        reason: expect.stringMatching(words),
      });
      expect(waiting?.reason).not.toContain('secret');
      expect(waiting?.retryAt).toBeGreaterThan(world.timers.now() + 200_000);
      expect(waiting?.retryAt).toBeLessThan(world.timers.now() + 400_000);
    }
  });

  it('is the reason for a task that no other account serves, although another one works', async () => {
    const { world, broken } = await brokenWorld('auth_failed', { accounts: ['one', 'two'] });
    broken.delete('one');
    const { request } = aNewTask();
    const source = { taskId: 'video_x', accountId: 'two', upstreamId: 'u' } as never;
    const { id } = await world.submit('a paper boat', { request: { ...request, source } });
    await world.idle();
    expect(world.engine.waiting(await world.task(id))).toMatchObject({
      for: 'account_blocked',
      trouble: 'auth_failed',
    });
  });

  it('uses no attempts of its tasks', async () => {
    const { world, broken, tries } = await brokenWorld('auth_failed', {
      settings: { maxAttempts: 2, taskDeadlineMs: 24 * HOUR_MS },
    });
    const { id } = await world.submit();
    await world.advance(2 * HOUR_MS);
    expect(tries.length).toBeGreaterThan(10);
    expect((await world.task(id)).phase).toBe('accepted');
    broken.clear();
    expect((await world.ends(id)).phase).toBe('succeeded');
  });

  it('leaves its tasks to another account that serves the model', async () => {
    const { world, broken, tries } = await brokenWorld('auth_failed', { accounts: ['one', 'two'] });
    broken.delete('two');
    const tasks = [await world.submit(), await world.submit(), await world.submit()];
    for (const { id } of tasks) expect((await world.ends(id)).attempt?.accountId).toBe('two');
    expect(tries.filter((account) => account === 'one').length).toBeLessThanOrEqual(1);
  });

  it('does not stop the tasks of other models if it refuses one model', async () => {
    const { world, tries } = await brokenWorld('auth_failed', { settings: { taskDeadlineMs: HOUR_MS } });
    const request = aNewTask().request;
    const models: string[] = [];
    world.feed.onChange(({ task }) => {
      if (task.phase === 'submitting') models.push(task.request.model);
    });
    await world.engine.submit({ ...aNewTask(), request: { ...request, model: 'refused' } });
    await world.engine.submit({ ...aNewTask(), request: { ...request, model: 'other' } });
    await world.advance(HOUR_MS / 4);
    expect(tries.length).toBeGreaterThan(1);
    expect(models.slice(0, 2)).toEqual(['refused', 'other']);
  });

  it('fails tasks that waited until their deadline with its own reason, not as expired', async () => {
    const { world } = await brokenWorld('quota_exhausted', { settings: { taskDeadlineMs: 120_000 } });
    await world.submit();
    const { id } = await world.submit();
    const { error } = await world.ends(id);
    expect(error).toMatchObject({ reason: 'quota_exhausted', code: 402 });
    expect(await world.ledger(id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('is tried at once after a restart, by no more tasks than are waiting', async () => {
    const { world, tries, options } = await brokenWorld();
    await Promise.all([world.submit(), world.submit(), world.submit()]);
    await world.idle();
    const before = tries.length;
    const next = await world.restart(options);
    await next.advance(100_000);
    // Without a stored account state, as here, the waiting tasks are sent; after the first refusal the account is blocked.
    expect(tries.length - before).toBeGreaterThan(0);
    expect(tries.length - before).toBeLessThanOrEqual(3);
  });

  it('is tried at once when the operator says so, first with one task, then with all', async () => {
    const { world, broken, tries } = await brokenWorld();
    const tasks = [await world.submit()];
    await world.idle();
    tasks.push(await world.submit(), await world.submit());
    await world.idle();
    expect(tries).toHaveLength(1);
    world.engine.retryAccounts('one');
    await world.idle();
    expect(tries).toHaveLength(2);
    world.engine.retryAccounts('another');
    await world.idle();
    expect(tries).toHaveLength(2);
    broken.clear();
    world.engine.retryAccounts();
    await world.idle();
    for (const { id } of tasks) expect((await world.task(id)).phase).toBe('running');
  });

  it('is available to the next task at once after a retry without waiting tasks', async () => {
    const { world, broken } = await brokenWorld('auth_failed', { settings: { taskDeadlineMs: 10_000 } });
    await world.ends((await world.submit()).id);
    broken.clear();
    world.engine.retryAccounts('one');
    const { id } = await world.submit();
    await world.idle();
    expect((await world.task(id)).phase).toBe('running');
  });
});

describe('a credential that is refused during a poll', () => {
  it('fails no task: the task waits, and a retry polls at once', async () => {
    let broken = true;
    let asked = 0;
    const world = await createWorld({
      provider: (provider) => ({
        ...provider,
        async poll(handle, signal) {
          asked += 1;
          if (broken) throw new UpstreamError('auth_failed', { created: 'no' });
          return provider.poll(handle, signal);
        },
      }),
    });
    const { id } = await world.submit();
    await world.advance(HOUR_MS / 2);
    expect((await world.task(id)).phase).toBe('running');
    broken = false;
    const before = asked;
    world.engine.retryAccounts('one');
    await world.idle();
    expect(asked).toBe(before + 1);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });
});

describe('a task that waits for a place', () => {
  it('reports that, and stops reporting it once it is submitted', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const first = await world.submit();
    await world.idle();
    const second = await world.submit();
    await world.idle();
    expect(world.engine.waiting(await world.task(first.id))).toBeUndefined();
    expect(world.engine.waiting(await world.task(second.id))).toMatchObject({ for: 'account_limit' });
  });
});
