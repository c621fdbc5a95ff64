import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { createSharedLimits } from '../../src/limits/shared.ts';
import { newId } from '../../src/tasks/ids.ts';
import { move } from '../../src/tasks/lifecycle.ts';
import { aTask } from '../support/builders.ts';
import { LIMITS } from '../support/engineParts.ts';
import { eventually } from '../support/eventually.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

/** The limiter of an account of two places at one of several nodes. One place is taken, as the database says. */
async function shared() {
  const timers = createManualTimers();
  const listeners: ((account: string, inFlight: number) => void)[] = [];
  const cluster = createManualCluster();
  const sharing = createSharedLimits({
    store: {
      commit: async () => true,
      async intend() {
        // The statement wrote the end of another job, too: one place is taken before and after.
        for (const listener of listeners) listener('one', 1);
        return 'written';
      },
      troubles: async () => [],
      reportTrouble: async () => undefined,
    },
    shared: {
      places: async () => new Map([['one', 1]]),
      recountPlaces: async () => [],
      freeLingeringPlaces: async () => [],
      reserve: async () => [],
      takeRequests: async () => 0,
      oldNodes: async () => [],
      onPlaces(listener) {
        listeners.push(listener);
        return () => undefined;
      },
    },
    cluster,
    clock: timers,
    timers,
    after: timers.after,
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => sharing.stop());
  const account = {
    id: 'one',
    providerId: 'test',
    official: false,
    provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
    limits: { ...LIMITS, inFlight: 2 },
  };
  const limiter = sharing.open(account, () => [{ project: 'p', key: 'k', priority: 0, waiting: 1 }]);
  await sharing.start();
  let told = 0;
  limiter.onChange(() => {
    told += 1;
  });
  return { limiter, timers, cluster, told: () => told };
}

it('tells a waiting task of a place that became free in the statement that wrote an intent', async () => {
  const { limiter, timers, told } = await shared();
  const intent = move(
    aTask(),
    { type: 'submit_intended', accountId: 'one', idempotencyKey: newId(), upstreamModel: 'm' },
    timers.now(),
  );
  if (!intent) throw new Error('illegal');
  limiter.beginIntent(intent.task.id);
  expect(limiter.placeReadyIn()).toBeUndefined();
  expect(await limiter.intend(intent)).toBe('written');
  limiter.release(intent.task.id);
  timers.moveTo(timers.now() + 100);
  expect([limiter.placeReadyIn(), told()]).toEqual([0, 1]);
});

it('tells a task that found no place while the lease was uncertain, once it is certain again', async () => {
  const { limiter, timers, cluster, told } = await shared();
  cluster.freeze();
  expect(limiter.placeReadyIn()).toBeUndefined();
  timers.moveTo(timers.now() + 1500);
  cluster.freeze(false);
  await eventually(() => {
    timers.moveTo(timers.now() + 1500);
    expect(told()).toBe(1);
  });
  expect(limiter.placeReadyIn()).toBe(0);
});
