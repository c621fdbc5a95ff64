import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/engineWorld.ts';

describe('stopping', () => {
  it('completes a submission in progress: it waits for the answer', async () => {
    const world = await createWorld();
    const held = world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    const drained = world.engine.drain(10_000);
    held.release();
    await drained;
    expect((await world.task(id)).phase).toBe('running');
    const next = await world.restart();
    const task = await next.ends(id);
    expect(task.phase).toBe('succeeded');
    expect(next.upstream.count('submit')).toBe(1);
  });

  it('does not wait for the search for a lost submission', async () => {
    const options = {
      behaviour: () => ({ start: ['answer_lost'] as const, find: ['unknown', 'look'] as const }),
    };
    const world = await createWorld(options);
    const { id } = await world.submit();
    await world.upstream.seen(({ call }) => call === 'find');
    await world.idle();
    await world.engine.drain(60_000);
    expect((await world.task(id)).phase).toBe('submitting');
    const next = await world.restart();
    expect((await next.ends(id)).phase).toBe('succeeded');
    expect(next.upstream.count('submit')).toBe(1);
  });

  it('refuses new tasks and sends nothing more upstream', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    await world.submit('first');
    const waiting = await world.submit('waiting');
    await world.idle();
    await world.engine.drain(1000);
    expect(world.engine.draining).toBe(true);
    await expect(world.submit('late')).rejects.toMatchObject({ code: 'draining', status: 503 });
    await world.advance(3_600_000);
    expect(world.upstream.count('submit')).toBe(1);
    expect((await world.task(waiting.id)).phase).toBe('accepted');
  });

  it('gives up calls that do not end in time', async () => {
    const world = await createWorld();
    world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    await world.engine.drain(20);
    expect((await world.task(id)).phase).toBe('submitting');
  });
});

describe('starting', () => {
  it('resumes every unfinished task, in every phase', async () => {
    let stopped = true;
    const world = await createWorld({
      limits: { inFlight: 3 },
      behaviour: (prompt) => {
        if (!stopped) return {};
        return prompt === 'storing'
          ? { open: [{ error: 'upstream_unavailable' }] }
          : { answers: ['in_progress'] };
      },
    });
    const storing = await world.submit('storing');
    await world.reaches(storing.id, 'storing');
    const running = await world.submit('running');
    await world.reaches(running.id, 'running');
    const held = world.provider.hold('submit');
    const submitting = await world.submit('submitting');
    const another = await world.submit('submitting too');
    await world.reaches(submitting.id, 'submitting');
    const accepted = await world.submit('accepted');
    expect((await world.task(accepted.id)).phase).toBe('accepted');

    stopped = false;
    const next = await world.crash();
    held.release();
    for (const { id } of [storing, running, submitting, another, accepted]) {
      expect((await next.ends(id)).phase).toBe('succeeded');
      expect(await next.ledger(id)).toEqual({ hold: 400_000, capture: 400_000 });
    }
    expect(next.engine.unfinished).toBe(0);
  });

  it('counts running upstream jobs against the limits of their account', async () => {
    const options = {
      limits: { inFlight: 2 },
      behaviour: () => ({ answers: ['in_progress' as const] }),
    };
    const world = await createWorld(options);
    const tasks = await Promise.all([world.submit(), world.submit()]);
    for (const { id } of tasks) await world.reaches(id, 'running');
    const next = await world.restart();
    await next.submit();
    await next.advance(60_000);
    expect(next.upstream.count('submit')).toBe(2);
  });

  it('also counts submissions until their outcome is known', async () => {
    const behaviour = () => ({ start: ['answer_lost'] as const, answers: ['in_progress'] as const });
    const world = await createWorld({ limits: { inFlight: 1 }, behaviour });
    world.provider.hold('find');
    const { id } = await world.submit();
    await world.upstream.seen(({ call }) => call === 'submit');
    await world.idle();
    const finds: PromiseWithResolvers<void> = Promise.withResolvers();
    const next = await world.crash({
      limits: { inFlight: 1 },
      provider: (provider) => ({
        ...provider,
        async find(...given) {
          await finds.promise;
          return provider.find?.(...given) ?? Promise.reject(new Error('cannot'));
        },
      }),
    });
    await next.submit('another');
    await next.advance(10_000);
    expect(next.engine.accounts()).toMatchObject([{ inFlight: 1 }]);
    expect(next.upstream.count('submit')).toBe(1);
    finds.resolve();
    await next.advance(10_000);
    expect((await next.task(id)).phase).toBe('running');
    expect(next.upstream.count('submit')).toBe(1);
  });

  it('does not count downloads: the upstream job has ended', async () => {
    const world = await createWorld({
      limits: { inFlight: 1 },
      behaviour: (prompt) =>
        prompt === 'storing' ? { open: [{ error: 'upstream_unavailable' }] } : { answers: ['in_progress'] },
    });
    const { id } = await world.submit('storing');
    await world.reaches(id, 'storing');
    const next = await world.crash();
    expect(next.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
    const other = await next.submit('running');
    await next.reaches(other.id, 'running');
    expect(next.engine.accounts()).toMatchObject([{ inFlight: 1 }]);
    expect((await next.task(id)).phase).toBe('storing');
  });

  it('answers a repeated submission with the task of the previous process', async () => {
    const idempotency = { key: 'k', bodyHash: 'h', expiresAt: Number.MAX_SAFE_INTEGER };
    const world = await createWorld();
    const { id } = await world.submit('first', { idempotency });
    const next = await world.crash();
    expect((await next.submit('first', { idempotency })).id).toBe(id);
    expect((await next.ends(id)).phase).toBe('succeeded');
    expect(next.upstream.count('submit')).toBeLessThanOrEqual(2);
    const conflict = next.submit('other', { idempotency: { ...idempotency, bodyHash: 'other' } });
    await expect(conflict).rejects.toMatchObject({ code: 'idempotency_conflict', status: 422 });
  });
});
