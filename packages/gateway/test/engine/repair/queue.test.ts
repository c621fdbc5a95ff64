import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createRepairQueue } from '../../../src/engine/repair/queue.ts';
import { aMediaRow } from '../../support/builders.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

type Outcome = 'repaired' | 'settled' | 'hopeless' | 'fails' | Promise<'repaired'>;

/** A queue whose repairs end as the test says, and the ids that were tried, in order. */
function mending(outcome: (id: string) => Outcome) {
  const timers = createManualTimers();
  const stopping = new AbortController();
  const tried: string[] = [];
  const signals: AbortSignal[] = [];
  const events: unknown[] = [];
  const queue = createRepairQueue({
    concurrency: 2,
    repair: {
      async repairRow({ id }, signal) {
        tried.push(id);
        signals.push(signal);
        const end = await outcome(id);
        if (end === 'fails') throw new Error('no');
        return end;
      },
    },
    timers,
    log: pino({ level: 'warn' }, { write: (line) => events.push(JSON.parse(line).event) }),
    signal: stopping.signal,
  });
  const add = async (id = 'a') => {
    queue.add(aMediaRow({ id }));
    for (let turns = 0; turns < 10; turns++) await turn();
  };
  return {
    queue,
    timers,
    stopping,
    tried,
    signals,
    events,
    add,
    pass: (ms: number) => timers.moveTo(timers.trueTime() + ms),
  };
}

describe('a repair', () => {
  it('that was made is counted, and one that was not needed is not', async () => {
    const { queue, events, add } = mending((id) => (id === 'a' ? 'repaired' : 'settled'));
    await add('a');
    await add('b');
    expect(queue.repaired).toBe(1);
    expect(events).toEqual(['media.repaired']);
    // Either file may be damaged again, at once.
    await add('a');
    expect(queue.repaired).toBe(2);
  });

  it('that fails is retried after a minute, then at doubling intervals, six times in all', async () => {
    const { tried, events, add, pass } = mending(() => 'fails');
    await add();
    for (let tries = 1; tries < 6; tries++) {
      pass(MINUTE * 2 ** (tries - 1) - 1);
      await add();
      expect(tried).toHaveLength(tries);
      pass(1);
      await add();
      expect(tried).toHaveLength(tries + 1);
    }
    expect(events.filter((event) => event === 'media.lost')).toHaveLength(1);
  });

  it('that is given up is tried once more after a day, and given up again', async () => {
    const { tried, events, add, pass } = mending(() => 'hopeless');
    await add();
    expect(events).toEqual(['media.lost']);
    pass(DAY - 1);
    await add();
    expect(tried).toHaveLength(1);
    pass(1);
    await add();
    expect(tried).toHaveLength(2);
    pass(MINUTE);
    await add();
    expect(tried).toHaveLength(2);
  });

  it('that fails again after a day is given up at once', async () => {
    let outcome: Outcome = 'hopeless';
    const { tried, events, add, pass } = mending(() => outcome);
    await add();
    outcome = 'fails';
    pass(DAY);
    await add();
    pass(DAY - 1);
    await add();
    expect(tried).toHaveLength(2);
    expect(events).toEqual(['media.lost', 'media.repair_failed', 'media.lost']);
  });

  it('that was made has all its attempts again when it is needed again', async () => {
    let outcome: Outcome = 'fails';
    const { tried, add, pass } = mending(() => outcome);
    for (let tries = 0; tries < 5; tries++) {
      await add();
      pass(DAY / 2);
    }
    outcome = 'repaired';
    await add();
    outcome = 'fails';
    await add();
    pass(MINUTE);
    await add();
    expect(tried).toHaveLength(8);
  });

  it('of one file runs once at a time, and two of all files', async () => {
    const ends = Array.from({ length: 4 }, () => Promise.withResolvers<'repaired'>());
    let begun = 0;
    const { queue, tried, add } = mending(() => ends[begun++]?.promise ?? 'settled');
    for (const id of ['a', 'a', 'b', 'c', 'c']) await add(id);
    expect(tried).toEqual(['a', 'b']);
    let idle = false;
    const whenIdle = queue.idle().then(() => {
      idle = true;
    });
    ends[0]?.resolve('repaired');
    await add('b');
    expect(tried).toEqual(['a', 'b', 'c']);
    expect(idle).toBe(false);
    for (const end of ends) end.resolve('repaired');
    await whenIdle;
    expect(queue.repaired).toBe(3);
  });

  it('does not run once the gateway stops: a running one is ended, a waiting one is not begun, and nothing is logged', async () => {
    const end = Promise.withResolvers<'repaired'>();
    const { queue, stopping, tried, signals, events, add } = mending(() => end.promise);
    for (const id of ['a', 'b', 'c']) await add(id);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    stopping.abort();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    await add('d');
    end.reject(new Error('aborted'));
    await queue.idle();
    expect(tried).toEqual(['a', 'b']);
    expect([queue.repaired, events]).toEqual([0, []]);
  });

  it('that fails because the gateway stops does not count as an attempt', async () => {
    const end = Promise.withResolvers<'repaired'>();
    const { stopping, events, add } = mending(() => end.promise);
    await add();
    stopping.abort();
    end.reject(new Error('aborted'));
    await add();
    expect(events).toEqual([]);
  });
});

describe('the state about a file', () => {
  it('is dropped some time after its last possible attempt, and then it has all its attempts again', async () => {
    let outcome: Outcome = 'hopeless';
    const { queue, tried, add, pass } = mending(() => outcome);
    await add();
    outcome = 'fails';
    pass(DAY + 1000);
    queue.forgetOld(1000);
    await add();
    expect(tried).toHaveLength(2);
    // The one attempt of a file that was given up: its state is kept.
    pass(MINUTE);
    await add();
    expect(tried).toHaveLength(2);
    pass(2 * DAY);
    queue.forgetOld(1000);
    await add();
    pass(MINUTE);
    await add();
    expect(tried).toHaveLength(4);
  });

  it('is kept while a repair runs', async () => {
    const end = Promise.withResolvers<'repaired'>();
    const { queue, tried, add, pass } = mending((id) => (id === 'a' ? 'fails' : end.promise));
    for (let tries = 0; tries < 6; tries++) {
      await add();
      pass(DAY);
    }
    pass(2 * DAY);
    await add('b');
    queue.forgetOld(0);
    await add();
    pass(MINUTE);
    await add();
    expect(tried.filter((id) => id === 'a')).toHaveLength(7);
  });
});
