import { describe, expect, it } from 'vitest';
import { createWorld } from '../../support/engineWorld.ts';

const DEADLINE_MS = 600_000;
const settings = { taskDeadlineMs: DEADLINE_MS };

describe('an upstream that finishes after the task has expired', () => {
  it('changes nothing for the caller, and is remembered with the attempt', async () => {
    let over = false;
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    const failed = await world.ends(id);
    expect(failed.attempt?.outcome).toBe('expired');
    await world.advance(300_000);
    expect((await world.task(id)).attempt?.outcome).toBe('expired');
    over = true;
    await world.advance(3_600_000);
    const late = await world.task(id);
    expect(late).toMatchObject({
      phase: 'failed',
      error: { reason: 'expired' },
      attempt: { outcome: 'late' },
    });
    expect(late.attempt?.upstreamResult).toBeDefined();
    expect(await world.ledger(id)).toEqual({
      hold: failed.price.holdMicros,
      release: failed.price.holdMicros,
    });
  });

  it('is followed where it did not know the job when the deadline passed', async () => {
    let told: 'missing' | 'succeeded' = 'missing';
    const world = await createWorld({ settings, abilities: [], behaviour: () => ({ answers: [told] }) });
    const { id } = await world.submit();
    expect((await world.ends(id)).attempt?.outcome).toBe('expired');
    await world.advance(7_200_000);
    expect((await world.task(id)).attempt?.outcome).toBe('expired');
    told = 'succeeded';
    await world.advance(7_200_000);
    expect(await world.task(id)).toMatchObject({ phase: 'failed', attempt: { outcome: 'late' } });
  });

  it('is followed by the next process too', async () => {
    let over = false;
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    const next = await world.crash({ settings, abilities: [], downMs: 60_000 });
    over = true;
    await next.advance(120_000);
    expect((await next.task(id)).attempt?.outcome).toBe('late');
  });

  it('is cancelled where it can be', async () => {
    const world = await createWorld({
      settings,
      abilities: ['cancel'],
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    await world.idle();
    expect(world.upstream.count('cancel', id)).toBe(1);
  });

  it('is asked ever more rarely, for two days at most', async () => {
    const world = await createWorld({
      settings,
      abilities: [],
      behaviour: () => ({ answers: ['in_progress'] }),
    });
    const { id } = await world.submit();
    await world.ends(id);
    const before = world.upstream.count('ask', id);
    await world.advance(72 * 3_600_000);
    const asked = world.upstream.count('ask', id) - before;
    expect(asked).toBeGreaterThan(40);
    expect(asked).toBeLessThan(60);
    await world.advance(24 * 3_600_000);
    expect(world.upstream.count('ask', id) - before).toBe(asked);
  });
});
