import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../../src/providers/rates/limiter.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const signal = () => AbortSignal.timeout(10_000);

function paced(rate: { perSecond: number; burst: number }) {
  const timers = createManualTimers();
  const waits: number[] = [];
  const pace = createRateLimiter(rate, {
    now: () => timers.now(),
    wait: async (ms) => void waits.push(ms),
  });
  return { timers, waits, pace };
}

describe('a rate limiter', () => {
  it('lets a single call go at once, and spaces calls that come together', async () => {
    const { pace, timers, waits } = paced({ perSecond: 10, burst: 1 });
    for (let call = 0; call < 3; call++) await pace.turn(signal());
    expect(waits).toEqual([100, 200]);
    timers.moveTo(timers.now() + 300);
    await pace.turn(signal());
    expect(waits).toHaveLength(2);
  });

  it('lets a burst go after a pause, and never more in a second than rate plus burst', () => {
    const { pace, timers } = paced({ perSecond: 10, burst: 10 });
    let taken = 0;
    for (let ms = 0; ms < 1000; ms += 10) {
      while (pace.take()) taken += 1;
      timers.moveTo(timers.now() + 10);
    }
    expect(taken).toBe(19);
  });

  it('counts several calls together, or none of them', () => {
    const { pace } = paced({ perSecond: 10, burst: 10 });
    expect([pace.take(11), pace.take(8), pace.take(3), pace.take(2)]).toEqual([false, true, false, true]);
  });

  it('rejects when its caller aborts, and nothing was sent', async () => {
    const pace = createRateLimiter({ perSecond: 0.1, burst: 1 });
    await pace.turn(signal());
    const givenUp = new AbortController();
    const waiting = pace.turn(givenUp.signal);
    givenUp.abort();
    const nothingSent = { reason: 'upstream_timeout', created: 'no' };
    await expect(waiting).rejects.toMatchObject(nothingSent);
    await expect(pace.turn(AbortSignal.abort())).rejects.toMatchObject(nothingSent);
  });

  it('waits in one piece if it has the whole rate', async () => {
    const { pace, waits } = paced({ perSecond: 1, burst: 1 });
    for (let call = 0; call < 2; call++) await pace.turn(signal());
    expect(waits).toEqual([1000]);
  });

  it('ends its wait when no call waits any more, and not before', async () => {
    const ends: AbortSignal[] = [];
    const pace = createRateLimiter(
      { perSecond: 1, burst: 1 },
      {
        now: () => 0,
        wait: (_ms, end) =>
          new Promise((_, reject) => {
            ends.push(end);
            end.addEventListener('abort', () => reject(new Error('ended')));
          }),
      },
    );
    await pace.turn(signal());
    const callers = [new AbortController(), new AbortController()];
    const waiting = callers.map((caller) => pace.turn(caller.signal).catch((error: unknown) => error));
    callers[0]?.abort();
    expect(ends.map(({ aborted }) => aborted)).toEqual([false]);
    callers[1]?.abort();
    await Promise.all(waiting);
    expect(ends.map(({ aborted }) => aborted)).toEqual([true]);
    // A call that comes then waits for its own time.
    const last = new AbortController();
    const later = pace.turn(last.signal).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends.map(({ aborted }) => aborted)).toEqual([true, false]);
    last.abort();
    await later;
  });

  it('leaves no listener on the signal of a caller that had its turn', async () => {
    const { pace } = paced({ perSecond: 10, burst: 1 });
    await pace.turn(signal());
    const caller = new AbortController();
    await pace.turn(caller.signal);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  });

  it('passes the turns of aborted calls, however many, to the next call', async () => {
    const pace = createRateLimiter({ perSecond: 20, burst: 1 });
    await pace.turn(signal());
    const givenUp = new AbortController();
    const lost = Array.from({ length: 1000 }, () =>
      pace.turn(givenUp.signal).catch((error: unknown) => error),
    );
    const next = pace.turn(signal());
    givenUp.abort();
    // A thousand turns would take fifty seconds.
    await next;
    for (const outcome of await Promise.all(lost)) expect(outcome).toMatchObject({ created: 'no' });
  });

  it('serves waiting calls in order, before any call that would not wait', async () => {
    const { pace, timers } = paced({ perSecond: 10, burst: 1 });
    const order: number[] = [];
    const all = [1, 2, 3].map((n) => pace.turn(signal()).then(() => order.push(n)));
    timers.moveTo(timers.now() + 1000);
    expect(pace.take()).toBe(false);
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3]);
  });

  it('keeps to this node’s part of the rate, and notices during a wait that the part has grown', async () => {
    const timers = createManualTimers();
    const waits: number[] = [];
    let share = 0.1;
    const pace = createRateLimiter(
      { perSecond: 1, burst: 1, share: { rate: () => share, turnIn: (_every, after) => after } },
      {
        now: () => timers.now(),
        async wait(ms) {
          waits.push(ms);
          timers.moveTo(timers.now() + ms);
          if (waits.length === 2) share = 1;
        },
      },
    );
    const begun = timers.now();
    for (let call = 0; call < 2; call++) await pace.turn(signal());
    // With a tenth of the rate it would have been ten seconds. Half a second of them saved a twentieth of a call.
    expect(timers.now() - begun).toBeCloseTo(500 + 950, -1);
  });

  it('waits for its turn if the rate cannot be divided, and sends one call in it', async () => {
    const timers = createManualTimers(0);
    // Every third turn of a second, beginning with the second turn.
    const turnIn = (every: number, after: number) => {
      const at = timers.now() + after;
      const turns = Math.ceil((at - every) / (3 * every));
      return after + every + turns * 3 * every - at;
    };
    const pace = createRateLimiter(
      { perSecond: 1, burst: 1, undivided: true, share: { rate: () => 1 / 3, turnIn } },
      { now: () => timers.now(), wait: async (ms) => timers.moveTo(timers.now() + ms) },
    );
    const went: number[] = [];
    expect(pace.take()).toBe(false);
    for (let call = 0; call < 3; call++) {
      await pace.turn(signal());
      went.push(timers.now());
    }
    expect(went).toEqual([1000, 4000, 7000]);
    timers.moveTo(10_000);
    expect([pace.take(), pace.take()]).toEqual([true, false]);
  });
});
