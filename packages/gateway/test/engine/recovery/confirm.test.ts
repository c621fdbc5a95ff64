import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { newActiveTask } from '../../../src/engine/activeTask.ts';
import { createActiveTasks } from '../../../src/engine/activeTasks.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { createConfirm } from '../../../src/engine/recovery/confirm.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { move } from '../../../src/tasks/lifecycle.ts';
import { later } from '../../../src/time/clock.ts';
import { anAcceptance, aTask } from '../../support/builders.ts';
import { createManualTimers } from '../../support/manualTimers.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const MINUTE = 60_000;

/** A node that has submitted a job and does not drive its task any more. */
async function lateAnswer() {
  const store = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  const timers = createManualTimers();
  const logged: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => logged.push(JSON.parse(line)) });
  const feed = createFeed();
  let reads = 0;
  let isDown = true;
  const failing = {
    ...store,
    async task(id: string) {
      reads += 1;
      if (isDown) throw new Error('the store is down');
      return store.task(id);
    },
  };
  const task = aTask();
  await store.accept(anAcceptance(task));
  const intended = move(
    task,
    { type: 'submit_intended', accountId: 'one', idempotencyKey: 'f'.repeat(32), upstreamModel: 'm' },
    timers.now(),
  );
  if (!intended || !(await store.commit(intended))) throw new Error('not intended');
  const parts = { store: failing, feed, clock: timers, timers, log };
  const confirm = createConfirm({
    ...parts,
    activeTasks: createActiveTasks(parts),
    stopping: new AbortController().signal,
  });
  const active = newActiveTask(intended.task, later(timers.monotonic(), 60 * MINUTE));
  let isOver = false;
  const done = confirm(active, 1, 'job', false).finally(() => {
    isOver = true;
  });
  return {
    logged: () => logged.map(({ event }) => event),
    reads: () => reads,
    isOver: () => isOver,
    done,
    attempt: async () => (await store.task(task.id))?.attempt,
    recover() {
      isDown = false;
    },
    /** Moves from timer to timer. */
    async pass(ms: number) {
      const until = timers.trueTime() + ms;
      for (let next = timers.nextAt(); next !== undefined && next <= until; next = timers.nextAt()) {
        timers.moveTo(next);
        for (let turns = 0; turns < 10; turns++) await turn();
      }
    },
    close: () => store.close(),
  };
}

it('stores an upstream id once the store works again, and logs its failures at growing intervals', async () => {
  const late = await lateAnswer();
  for (let turns = 0; turns < 10; turns++) await turn();
  await late.pass(20 * MINUTE);
  expect(late.reads()).toBeGreaterThan(200);
  expect(new Set(late.logged())).toEqual(new Set(['task.confirm_failed']));
  expect(late.logged().length).toBeLessThan(40);
  late.recover();
  await late.pass(10_000);
  await late.done;
  expect(await late.attempt()).toMatchObject({ upstreamId: 'job' });
  expect(late.logged().slice(-2)).toEqual(['task.confirmed_late', 'store.recovered']);
  await late.close();
});

it('gives up after half an hour', async () => {
  const late = await lateAnswer();
  for (let turns = 0; turns < 10; turns++) await turn();
  await late.pass(29 * MINUTE);
  expect(late.isOver()).toBe(false);
  await late.pass(2 * MINUTE);
  await late.done;
  expect(await late.attempt()).not.toHaveProperty('upstreamId');
  await late.close();
});
