import { describe, expect, it } from 'vitest';
import { createClockSteps } from '../../../src/engine/cleanup/clockSteps.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BOUND = 15 * MINUTE;

function watching(shared = false) {
  const timers = createManualTimers();
  const events: unknown[] = [];
  const note = (line: { event: string; minutes: number }) => events.push([line.event, line.minutes]);
  const log = { error: note, warn: note } as never;
  const steps = createClockSteps({ clock: timers, timers, log, cluster: { shared } });
  return { timers, events, steps, pass: (ms: number) => timers.moveTo(timers.trueTime() + ms) };
}

describe('a wall clock', () => {
  it('that runs normally, or is corrected by a little, is trusted', () => {
    const { timers, events, steps, pass } = watching();
    pass(48 * HOUR);
    timers.setWallClock(BOUND);
    expect(steps.warning()).toBeUndefined();
    expect(events).toEqual([]);
  });

  it('that was set forward is not trusted for a day, and this is logged once', () => {
    const { timers, events, steps, pass } = watching();
    pass(HOUR);
    timers.setWallClock(BOUND + 1);
    expect(steps.warning()).toMatch(/of this machine was set forward by 15 minutes/);
    pass(24 * HOUR - 1);
    expect(steps.warning()).toMatch(/15 minutes/);
    expect(events).toEqual([['clock.stepped', 15]]);
    pass(1);
    expect(steps.warning()).toBeUndefined();
    pass(HOUR);
    expect(steps.warning()).toBeUndefined();
    expect(events).toEqual([
      ['clock.stepped', 15],
      ['clock.believed', 15],
    ]);
  });

  it('that is trusted again loses trust when it is set forward once more', () => {
    const { timers, events, steps, pass } = watching(true);
    timers.setWallClock(HOUR);
    steps.warning();
    pass(24 * HOUR);
    steps.warning();
    timers.setWallClock(2 * HOUR);
    expect(steps.warning()).toMatch(/of the database server was set forward by 120 minutes/);
    pass(24 * HOUR - 1);
    expect(steps.warning()).toBeDefined();
    expect(events).toHaveLength(3);
  });

  it('that is set back again is trusted at once, and otherwise its day begins again', () => {
    const { timers, events, steps, pass } = watching();
    timers.setWallClock(HOUR);
    expect(steps.warning()).toBeDefined();
    pass(23 * HOUR);
    timers.setWallClock(-HOUR);
    expect(steps.warning()).toBeUndefined();
    timers.setWallClock(HOUR);
    expect(steps.warning()).toBeDefined();
    pass(23 * HOUR);
    expect(steps.warning()).toBeDefined();
    expect(events).toHaveLength(2);
  });

  it('that was set back is the reference for later steps', () => {
    const { timers, steps } = watching();
    timers.setWallClock(-2 * HOUR);
    expect(steps.warning()).toBeUndefined();
    timers.setWallClock(HOUR);
    expect(steps.warning()).toMatch(/60 minutes/);
    timers.setWallClock(-HOUR);
    expect(steps.warning()).toBeUndefined();
    // A small step back is not.
    timers.setWallClock(-BOUND);
    expect(steps.warning()).toBeUndefined();
    timers.setWallClock(2 * BOUND);
    expect(steps.warning()).toBeUndefined();
    timers.setWallClock(1);
    expect(steps.warning()).toBeDefined();
  });
});
