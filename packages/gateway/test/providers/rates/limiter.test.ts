import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createRateLimiter } from '../../../src/providers/rates/limiter.ts';
import { createLocalPermits, type Permits, type Rate } from '../../../src/providers/rates/permits.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const signal = () => AbortSignal.timeout(10_000);

/** A limiter of a single node. Its waits move the time. */
function paced(rate: Rate) {
  const timers = createManualTimers();
  const waits: number[] = [];
  const pace = createRateLimiter(
    () => createLocalPermits(rate, timers),
    async (ms) => {
      waits.push(ms);
      timers.moveTo(timers.now() + ms);
    },
  );
  return { timers, waits, pace };
}

/** A limiter whose permits come from somewhere else, when the test says. */
function granted() {
  let ready = 0;
  let known = false;
  const taken: number[] = [];
  const listeners = new Set<() => void>();
  let wanted = () => 0;
  const permits: Permits = {
    readyIn: (n = 1) => (n <= ready ? 0 : known ? 1000 : Number.POSITIVE_INFINITY),
    take(n = 1) {
      ready -= n;
      taken.push(n);
    },
    onReady(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const pace = createRateLimiter(
    (demand) => {
      wanted = demand;
      return permits;
    },
    (_ms, end) => new Promise((_, reject) => end.addEventListener('abort', () => reject(new Error('ended')))),
  );
  return {
    pace,
    taken,
    wanted: () => wanted(),
    listeners,
    /** Resolves when everything that follows from it has happened. */
    async grant(n: number) {
      ready += n;
      known = true;
      for (const listener of [...listeners]) listener();
      await new Promise(setImmediate);
    },
  };
}

const real = (rate: Rate) => createRateLimiter(() => createLocalPermits(rate, systemClock));

describe('a rate limiter', () => {
  it('lets a single call go at once, and spaces calls that come together', async () => {
    const { pace, timers, waits } = paced({ perSecond: 10, burst: 1 });
    for (let call = 0; call < 3; call++) await pace.turn(signal());
    expect(waits).toEqual([100, 100]);
    timers.moveTo(timers.now() + 100);
    await pace.turn(signal());
    expect(waits).toHaveLength(2);
  });

  it('lets a burst go after a pause, and never more in a second than rate plus burst', async () => {
    const { pace, timers } = paced({ perSecond: 10, burst: 10 });
    let taken = 0;
    for (let ms = 0; ms < 1000; ms += 10) {
      while (await pace.take()) taken += 1;
      timers.moveTo(timers.now() + 10);
    }
    expect(taken).toBe(19);
  });

  it('counts several calls together, or none of them', async () => {
    const { pace } = paced({ perSecond: 10, burst: 10 });
    const took = [];
    for (const calls of [11, 8, 3, 2]) took.push(await pace.take(calls));
    expect(took).toEqual([false, true, false, true]);
  });

  it('rejects when its caller aborts, and nothing was sent', async () => {
    const pace = real({ perSecond: 0.1, burst: 1 });
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
      () => createLocalPermits({ perSecond: 1, burst: 1 }, createManualTimers()),
      (_ms, end) =>
        new Promise((_, reject) => {
          ends.push(end);
          end.addEventListener('abort', () => reject(new Error('ended')));
        }),
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
    const pace = real({ perSecond: 20, burst: 1 });
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
    const { pace, grant, taken } = granted();
    const order: number[] = [];
    const all = [1, 2, 3].map((n) => pace.turn(signal()).then(() => order.push(n)));
    expect(await pace.take()).toBe(false);
    await grant(2);
    expect([order, await pace.take()]).toEqual([[1, 2], false]);
    await grant(2);
    await Promise.all(all);
    expect([order, await pace.take()]).toEqual([[1, 2, 3], true]);
    expect(taken).toEqual([1, 1, 1, 1]);
  });

  it('tells how many calls want to go, as long as they do', async () => {
    const { pace, grant, wanted, listeners } = granted();
    const tries = [pace.take(), pace.take(4)];
    expect(wanted()).toBe(5);
    const caller = new AbortController();
    const waiting = pace.turn(caller.signal).catch((error: unknown) => error);
    expect(wanted()).toBe(6);
    caller.abort();
    await waiting;
    expect(wanted()).toBe(5);
    await grant(3);
    // The first has one of three, which leaves too few for the second.
    expect(await Promise.all(tries)).toEqual([true, false]);
    expect([wanted(), listeners.size]).toEqual([0, 0]);
  });

  it('decides whether a call may go now when that is known, and not before', async () => {
    const { pace, grant } = granted();
    const outcomes: boolean[] = [];
    void pace.take().then((took) => outcomes.push(took));
    await new Promise(setImmediate);
    expect(outcomes).toEqual([]);
    await grant(0);
    expect(outcomes).toEqual([false]);
    // Now it is known that it takes a second.
    expect(await pace.take()).toBe(false);
  });
});
