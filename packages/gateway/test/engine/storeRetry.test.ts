import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createStoreRetry } from '../../src/engine/storeRetry.ts';
import { createManualTimers } from '../support/manualTimers.ts';

const DOWN = new Error('the store is down');
const WRITE = { event: 'task.write_failed', err: DOWN, transition: 'stored' } as const;

function retrying(random = 0.5) {
  const timers = createManualTimers();
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line) => logged.push(JSON.parse(line)) });
  const retry = createStoreRetry(timers, log, () => random);
  return {
    timers,
    logged,
    retry,
    /** Fails for a task, and returns how long the next try is delayed. */
    async fails(task: string): Promise<number> {
      const before = timers.now();
      let next: number | undefined;
      void retry.wait(task, WRITE).then(() => {
        next = timers.now();
      });
      await turn();
      timers.moveTo(timers.nextAt() ?? Number.NaN);
      await turn();
      return next === undefined ? Number.NaN : next - before;
    },
  };
}

it.each([
  ['in the middle', 0.5, [250, 500, 1000, 2000, 4000, 4000]],
  ['at the least', 0, [188, 375, 750, 1500, 3000, 3000]],
  ['at the most', 1, [313, 625, 1250, 2500, 5000, 5000]],
])('tries for a task are delayed longer and longer, up to seconds: %s', async (_where, random, expected) => {
  const { fails, retry } = retrying(random);
  const delays: number[] = [];
  for (const _ of expected) delays.push(await fails('a'));
  expect(delays).toEqual(expected);
  // Another task, or the next transition of this one, begins anew.
  expect(await fails('b')).toBe(expected[0]);
  retry.ended('a');
  expect(await fails('a')).toBe(expected[0]);
});

it('the first failure is logged at once, and the others of all tasks at growing intervals with their number', async () => {
  const { retry, timers, logged } = retrying();
  const times: number[] = [];
  const start = timers.now();
  for (let second = 0; second <= 200; second++) {
    for (let task = 0; task < 100; task++) void retry.wait(`${task}`, WRITE);
    while (times.length < logged.length) times.push((timers.now() - start) / 1000);
    timers.moveTo(timers.now() + 1000);
  }
  expect(times).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183]);
  expect(logged[0]).toMatchObject({
    ...WRITE,
    err: { message: DOWN.message },
    task: '0',
    failures: 1,
    tasks: 1,
  });
  expect(logged[2]).toMatchObject({ failures: 301, tasks: 100 });
});

it('that the store works again is logged once for all tasks, and the next failure at once', async () => {
  const { retry, timers, logged, fails } = retrying();
  await fails('a');
  timers.moveTo(timers.now() + 600);
  await fails('b');
  timers.moveTo(timers.now() + 8900);
  retry.ended('a');
  retry.ended('never failed');
  expect(logged).toHaveLength(1);
  retry.ended('b');
  retry.ended('b');
  expect(logged.slice(1)).toMatchObject([{ event: 'store.recovered', failures: 2, seconds: 10 }]);
  await fails('a');
  expect(logged.slice(2)).toMatchObject([{ event: 'task.write_failed', failures: 1 }]);
});

it('a stop ends all delays, and is no recovery', async () => {
  const { retry, logged } = retrying();
  const waits = [retry.wait('a', WRITE), retry.wait('b', WRITE)];
  expect(retry.stopped).toBe(false);
  retry.stop();
  await Promise.all(waits);
  expect(retry.stopped).toBe(true);
  retry.ended('a');
  retry.ended('b');
  expect(logged).toHaveLength(1);
});
