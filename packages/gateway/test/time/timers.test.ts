import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MonotonicClock, momentAt } from '../../src/time/clock.ts';
import { createTimers } from '../../src/time/timers.ts';

let now: number;
const clock: MonotonicClock = { monotonic: () => momentAt(now) };

beforeEach(() => {
  now = 1_000_003;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => void vi.useRealTimers());

/** Advances both the clock and the system's timers. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed++) {
    now += 1;
    vi.advanceTimersByTime(1);
  }
}

describe('timers', () => {
  it('never fire too early, and at most one slot too late', () => {
    const timers = createTimers(clock);
    const from = now;
    const fired = new Map<number, number>();
    const delays = [1, 20, 49, 50, 51, 99, 100, 149, 1000];
    for (const ms of delays) timers.after(ms, () => fired.set(ms, now - from));
    pass(1100);
    for (const ms of delays) {
      expect(fired.get(ms)).toBeGreaterThanOrEqual(ms);
      expect(fired.get(ms)).toBeLessThanOrEqual(ms + 50);
    }
    // A timer that waits longer fires later.
    expect([...fired.keys()]).toEqual(delays);
  });

  it.each([0, -5000])('fire soon if their time is past, and never inside the call: %i', (ms) => {
    const timers = createTimers(clock);
    const fire = vi.fn();
    timers.after(ms, fire);
    expect(fire).not.toHaveBeenCalled();
    pass(50);
    expect(fire).toHaveBeenCalledOnce();
  });

  it('wake the process once per slot, and not at all if nothing waits', () => {
    const timers = createTimers(clock);
    expect(vi.getTimerCount()).toBe(0);
    const fire = vi.fn();
    for (let times = 0; times < 1000; times++) timers.after(10, fire);
    timers.after(5000, fire);
    expect(vi.getTimerCount()).toBe(1);
    pass(60);
    expect(fire).toHaveBeenCalledTimes(1000);
    expect(vi.getTimerCount()).toBe(1);
    pass(5000);
    expect(fire).toHaveBeenCalledTimes(1001);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are not delayed by another one that waits longer', () => {
    const timers = createTimers(clock);
    const fired: string[] = [];
    timers.after(10_000, () => fired.push('late'));
    timers.after(100, () => fired.push('soon'));
    timers.after(5000, () => fired.push('between'));
    pass(200);
    expect(fired).toEqual(['soon']);
    pass(10_000);
    expect(fired).toEqual(['soon', 'between', 'late']);
  });

  it('do not fire once cancelled; the same function in another timer does', () => {
    const timers = createTimers(clock);
    const fire = vi.fn();
    const cancel = timers.after(100, fire);
    timers.after(100, fire);
    cancel();
    cancel();
    pass(200);
    expect(fire).toHaveBeenCalledOnce();
    cancel();
  });

  it('may set others, which have their own time', () => {
    const timers = createTimers(clock);
    const times: number[] = [];
    const from = now;
    const again = () => {
      times.push(now - from);
      if (times.length < 3) timers.after(100, again);
    };
    timers.after(100, again);
    pass(600);
    expect(times).toHaveLength(3);
    for (const [index, time] of times.entries()) expect(time).toBeGreaterThanOrEqual(100 * (index + 1));
  });

  it('all fire that are due once a stopped process continues', () => {
    const timers = createTimers(clock);
    const fired: number[] = [];
    for (const ms of [3000, 1000, 2000]) timers.after(ms, () => fired.push(ms));
    now += 60_000;
    vi.advanceTimersByTime(1050);
    expect(fired).toEqual([1000, 2000, 3000]);
  });

  it('can wait longer than the system’s timers', () => {
    const timers = createTimers(clock);
    const month = 31 * 86_400_000;
    const fire = vi.fn();
    timers.after(month, fire);
    // With a shorter delay the system would fire at once, and again and again.
    vi.advanceTimersByTime(60_000);
    expect(fire).not.toHaveBeenCalled();
    now += 2 ** 31 - 1;
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(fire).not.toHaveBeenCalled();
    now += month - (2 ** 31 - 1) + 50;
    vi.advanceTimersByTime(month);
    expect(fire).toHaveBeenCalledOnce();
  });

  it('return the time of their clock, and do not fire once closed', () => {
    const timers = createTimers(clock);
    expect(timers.monotonic()).toBe(momentAt(now));
    const fire = vi.fn();
    timers.after(100, fire);
    timers.close();
    expect(vi.getTimerCount()).toBe(0);
    timers.after(100, fire)();
    expect(vi.getTimerCount()).toBe(0);
    pass(500);
    expect(fire).not.toHaveBeenCalled();
  });
});
