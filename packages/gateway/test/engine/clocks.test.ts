import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../support/engineParts.ts';
import { createWorld } from '../support/engineWorld.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe.each([
  ['back by an hour', -HOUR],
  ['back by a year', -365 * DAY],
  ['forward by a year', 365 * DAY],
])('a wall clock that is set %s', (_name, byMs) => {
  it('neither delays nor hastens the polls of running tasks', async () => {
    const asked = async (jump: number) => {
      const world = await createWorld({ behaviour: () => ({ answers: ['in_progress'] }) });
      const { id } = await world.submit();
      await world.reaches(id, 'running');
      const polls = () => world.upstream.count('poll') + world.upstream.count('pollMany');
      await world.advance(30_000);
      const before = polls();
      world.timers.setWallClock(jump);
      await world.advance(300_000);
      return polls() - before;
    };
    const usual = await asked(0);
    expect(usual).toBeGreaterThan(5);
    expect(await asked(byMs)).toBe(usual);
  });

  it('neither expires tasks nor extends their deadline', async () => {
    const world = await createWorld({
      behaviour: (prompt) => ({ answers: [prompt === 'ends' ? 'succeeded' : 'in_progress'] }),
      limits: { inFlight: 1 },
    });
    const running = await world.submit('runs on');
    const waiting = await world.submit('waits');
    await world.reaches(running.id, 'running');
    world.timers.setWallClock(byMs);
    await world.advance(SETTINGS.taskDeadlineMs - 60_000);
    expect((await world.task(running.id)).phase).toBe('running');
    expect((await world.task(waiting.id)).phase).toBe('accepted');
    await world.advance(120_000);
    for (const { id } of [running, waiting]) {
      expect(await world.task(id)).toMatchObject({ phase: 'failed', error: { reason: 'expired' } });
    }
  });

  it('lets a refused account be tried again at the announced time', async () => {
    const world = await createWorld({
      behaviour: () => ({ start: [{ refuse: 'rate_limited', retryAfterMs: 10_000 }, 'accepted'] }),
    });
    const { id } = await world.submit();
    await world.idle();
    world.timers.setWallClock(byMs);
    await world.advance(9_000);
    expect(world.upstream.count('submit')).toBe(1);
    await world.advance(2_000);
    expect(world.upstream.count('submit')).toBe(2);
    expect((await world.ends(id)).phase).toBe('succeeded');
  });
});

describe('media due for removal by age', () => {
  const RETENTION = 2 * DAY;
  const stored = async () => {
    const world = await createWorld({ settings: { retentionMs: RETENTION } });
    const { id } = await world.ends((await world.submit()).id);
    const rows = async () => (await world.store.mediaOf(id)).length;
    return { world, rows };
  };

  it('stay for a day while the wall clock is far ahead of the elapsed time, and a warning says so', async () => {
    const { world, rows } = await stored();
    world.timers.setWallClock(30 * DAY);
    await world.advance(DAY - 2 * HOUR);
    expect(await rows()).toBe(2);
    expect(world.engine.clockSteps.warning()).toContain('was set forward by');
    // If the clock is corrected in time, nothing is lost.
    world.timers.setWallClock(-30 * DAY);
    await world.advance(HOUR);
    expect(world.engine.clockSteps.warning()).toBeUndefined();
    expect(await rows()).toBe(2);
    await world.advance(RETENTION);
    expect(await rows()).toBe(0);
  });

  it('are removed after the clock was left unchanged for a day, as after a long sleep of the machine', async () => {
    const { world, rows } = await stored();
    world.timers.setWallClock(30 * DAY);
    await world.advance(DAY + 10 * 60_000);
    expect(await rows()).toBe(0);
    expect(world.engine.clockSteps.warning()).toBeUndefined();
  });

  it('follow the new time without a warning if the clock is set back', async () => {
    const { world, rows } = await stored();
    world.timers.setWallClock(-30 * DAY);
    await world.advance(RETENTION + HOUR);
    expect(await rows()).toBe(2);
    expect(world.engine.clockSteps.warning()).toBeUndefined();
  });
});

describe('a gateway that restarts with a changed clock', () => {
  it('polls a task before it expires it, if its clock is far ahead', async () => {
    let over = false;
    const world = await createWorld({ behaviour: () => ({ answers: [over ? 'succeeded' : 'in_progress'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    const next = await world.restart({ downMs: 10 * DAY });
    await next.advance(60_000);
    expect((await next.task(id)).phase).toBe('running');
    over = true;
    expect((await next.ends(id)).phase).toBe('succeeded');
  });

  it('gives a task at most its remaining time, and polls it at once', async () => {
    const world = await createWorld({ behaviour: () => ({ answers: ['in_progress'] }) });
    const { id } = await world.submit();
    await world.reaches(id, 'running');
    await world.advance(60_000);
    const before = world.upstream.count('poll', id);
    const next = await world.restart({ downMs: -DAY });
    await next.advance(1000);
    expect(next.upstream.count('poll', id)).toBeGreaterThan(before);
    await next.advance(SETTINGS.taskDeadlineMs + 60_000);
    expect(await next.task(id)).toMatchObject({ phase: 'failed', error: { reason: 'expired' } });
  });
});
