import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/providers/provider.ts';
import { createWorld, type World, type WorldOptions } from '../support/engineWorld.ts';
import { asNextDriver } from '../support/nodes/oneOfSeveral.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const WORKING = () => ({ answers: ['in_progress'] as const });

/** A provider whose jobs run inside the gateway, and the jobs that it was asked to resume. */
function resuming(resumed: Job[], outcome: () => Promise<void> = async () => undefined): WorldOptions {
  return {
    provider: (provider) => ({
      ...provider,
      async resume(job) {
        resumed.push(job);
        await outcome();
      },
    }),
  };
}

describe('a task whose account is not configured', () => {
  const settings = { taskDeadlineMs: HOUR };
  const lost = async (): Promise<{ world: World; id: string }> => {
    const world = await createWorld({
      settings,
      behaviour: () => ({ start: ['answer_lost'], find: ['unknown', 'look'] }),
    });
    world.provider.hold('submit');
    const { id } = await world.submit();
    await world.reaches(id, 'submitting');
    return { world, id };
  };

  it('and that was being submitted fails at its deadline, because its outcome is unknown', async () => {
    const { world, id } = await lost();
    const next = await world.crash({ settings, accounts: ['another'] });
    await next.advance(HOUR - 1000);
    expect((await next.task(id)).phase).toBe('submitting');
    await next.advance(1000);
    expect(await next.task(id)).toMatchObject({
      phase: 'failed',
      error: { reason: 'submission_unknown' },
      attempt: { outcome: 'unknown' },
      completedAt: (await next.task(id)).deadlineAt,
    });
    expect(await next.ledger(id)).toEqual({ hold: 400_000, release: 400_000 });
  });

  it('and whose id another node has stored in the meantime expires like any running task', async () => {
    const { world, id } = await lost();
    const next = await world.crash({ settings, accounts: ['another'] });
    await next.idle();
    await asNextDriver(next, id, { type: 'submit_confirmed', upstreamId: 'one-1', working: true });
    await next.advance(HOUR);
    expect(await next.task(id)).toMatchObject({
      error: { reason: 'expired' },
      attempt: { upstreamId: 'one-1', outcome: 'expired' },
    });
  });

  it('is searched for if the account is configured again before that', async () => {
    const { world, id } = await lost();
    const next = await world.crash({ settings, accounts: ['another'] });
    await next.advance(HOUR / 2);
    const last = await next.crash({ settings });
    await last.ends(id);
    expect(last.upstream.count('find', id)).toBeGreaterThan(0);
  });
});

describe('a task of another process', () => {
  it('is polled at once if it may have ended, and then as usual', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const before = world.upstream.count('poll', id);
    const next = await world.crash({ downMs: MINUTE });
    await next.idle();
    expect(next.upstream.count('poll', id)).toBe(before + 1);
    await next.advance(60_000);
    expect(next.upstream.count('poll', id)).toBeGreaterThan(before + 1);
    expect(next.engine.accounts()).toMatchObject([{ inFlight: 1 }]);
  });

  it('is polled as planned, not at once', async () => {
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.crash({ downMs: 500 });
    await next.idle();
    expect(next.upstream.count('poll', id)).toBe(0);
    await next.advance(10_000);
    expect(next.upstream.count('poll', id)).toBeGreaterThan(0);
  });

  it('is cancelled if that was requested', async () => {
    const world = await createWorld({
      behaviour: () => ({ ...WORKING(), cancel: ['pending', 'cancelled'] }),
    });
    const { id } = await world.submit();
    await world.engine.cancel(await world.reaches(id, 'running'));
    expect((await world.task(id)).phase).toBe('running');
    const next = await world.crash();
    await next.idle();
    expect(await next.task(id)).toMatchObject({ phase: 'failed', error: { reason: 'cancelled' } });
  });

  it.each(['running', 'storing'] as const)(
    'and whose job ran inside it has that resumed first: %s',
    async (phase) => {
      const resumed: Job[] = [];
      const gate = Promise.withResolvers<void>();
      const world = await createWorld({
        behaviour: () => (phase === 'running' ? WORKING() : { open: [{ error: 'upstream_unavailable' }] }),
      });
      const { id } = await world.submit('the words');
      const { attempt } = await world.reaches(id, phase);
      const next = await world.crash({ ...resuming(resumed, () => gate.promise), downMs: MINUTE });
      const call = phase === 'running' ? 'poll' : 'open';
      const before = next.upstream.count(call, id);
      await next.idle();
      expect(resumed).toMatchObject([
        { taskId: id, idempotencyKey: attempt?.idempotencyKey, request: { prompt: 'the words' } },
      ]);
      expect(next.upstream.count(call, id)).toBe(before);
      gate.resolve();
      await next.idle();
      expect(next.upstream.count(call, id)).toBe(before + 1);
    },
  );

  it('continues although its job cannot be resumed', async () => {
    const resumed: Job[] = [];
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.crash({
      ...resuming(resumed, () => Promise.reject(new Error('no'))),
      downMs: MINUTE,
    });
    await next.idle();
    expect(resumed).toHaveLength(1);
    expect(next.upstream.count('poll', id)).toBeGreaterThan(0);
  });

  it('is released if it has another driver by the time its job is resumed', async () => {
    const gate = Promise.withResolvers<void>();
    const world = await createWorld({ behaviour: WORKING });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.crash(resuming([], () => gate.promise));
    await next.idle();
    const before = next.upstream.count('poll', id);
    const current = await next.task(id);
    await next.engine.cancel(current);
    gate.resolve();
    await next.advance(60_000);
    expect(next.upstream.count('poll', id)).toBe(before);
  });

  it('has its download resumed from the bytes that exist', async () => {
    const behaviour = () => ({ open: [{ breakAfter: 5000 }, 'whole'] as const });
    const world = await createWorld({ behaviour });
    const { id } = await world.submit();
    await world.reaches(id, 'storing');
    await world.idle();
    const next = await world.crash();
    expect((await next.ends(id)).phase).toBe('succeeded');
    const offsets = next.upstream.records.filter(({ call }) => call === 'open').map(({ offset }) => offset);
    expect(offsets).toEqual([0, 5000]);
    expect(next.engine.accounts()).toMatchObject([{ inFlight: 0 }]);
  });
});
