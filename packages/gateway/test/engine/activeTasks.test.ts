import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ActiveTask, phaseSignal } from '../../src/engine/activeTask.ts';
import { createActiveTasks } from '../../src/engine/activeTasks.ts';
import { type Change, createFeed } from '../../src/engine/events/feed.ts';
import { NoPlace, UpstreamIdTaken } from '../../src/engine/transitions.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Event, Move } from '../../src/tasks/lifecycle.ts';
import type { Task } from '../../src/tasks/task.ts';
import { msBetween } from '../../src/time/clock.ts';
import { anAcceptance, aTask, START_OF_TIME } from '../support/builders.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { asNextDriver } from '../support/nodes/oneOfSeveral.ts';
import { tempFolder } from '../support/tempFolder.ts';

const INTENDED: Event = {
  type: 'submit_intended',
  accountId: 'one',
  idempotencyKey: 'f'.repeat(32),
  upstreamModel: 'm',
};
const CONFIRMED: Event = { type: 'submit_confirmed', upstreamId: 'one-1', working: false };
const FAILED: Event = {
  type: 'failed',
  outcome: 'failed',
  error: { code: 502, reason: 'upstream_failed', message: 'No.' },
};
const DOWN = new Error('the store is down');

/** Tasks over a real store; everything they report is recorded. */
async function driving(override: (store: Store) => Partial<Store> = () => ({})) {
  const store = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => store.close());
  const timers = createManualTimers();
  const feed = createFeed();
  const told: Change[] = [];
  const stale: (string | undefined)[] = [];
  /** The tasks whose driver was told to look at them. */
  const woken: ActiveTask[] = [];
  const moved: Move[] = [];
  const waits: number[] = [];
  const logged: Record<string, unknown>[] = [];
  feed.onChange((change) => told.push(change));
  feed.onInvalidate((id) => stale.push(id));
  const tasks = createActiveTasks({
    store: { ...store, ...override(store) },
    feed,
    clock: timers,
    timers: {
      ...timers,
      // Delays pass at once.
      after(ms, fire) {
        waits.push(ms);
        setImmediate(fire);
        return () => undefined;
      },
    },
    log: pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) }),
    moved: (made) => moved.push(made),
  });
  return {
    store,
    moved,
    waits,
    logged,
    timers,
    tasks,
    told,
    stale,
    woken,
    async take(...events: Event[]) {
      const task = aTask();
      await store.accept(anAcceptance(task));
      await asNextDriver({ store }, task.id, ...events);
      const active = tasks.add((await store.task(task.id)) ?? task);
      active.wake = () => woken.push(active);
      return active;
    },
  };
}

describe('the deadline of an adopted task', () => {
  const HOUR = 3_600_000;
  const left = async (changes: Partial<Task>, skewMs = 0) => {
    const { tasks, timers } = await driving();
    timers.setWallClock(skewMs);
    const { deadline } = tasks.add(aTask({ deadlineAt: START_OF_TIME + HOUR, ...changes }));
    return msBetween(timers.monotonic(), deadline);
  };

  it.each<[string, Partial<Task>, number, number]>([
    ['the remaining time', { phase: 'running' }, HOUR / 2, HOUR / 2],
    ['the whole time if the clock was set back', { phase: 'running' }, -HOUR, HOUR],
    ['ten minutes if it has passed', { phase: 'running' }, 2 * HOUR, 600_000],
    ['ten minutes if it is near', { phase: 'submitting' }, HOUR - 1000, 600_000],
    ['in the past if the task never went upstream', { phase: 'accepted' }, 2 * HOUR, -HOUR],
  ])('is %s', async (_what, woken, skewMs, ms) => {
    expect(await left(woken, skewMs)).toBe(ms);
  });
});

describe('a task', () => {
  it('is found by its id and its job, until it is released', async () => {
    const { tasks, take } = await driving();
    const active = await take(INTENDED, CONFIRMED);
    const { id } = active.task;
    const ended: string[] = [];
    active.wake = () => ended.push('wait');
    phaseSignal(active).addEventListener('abort', () => ended.push('work'));
    active.place = { limiter: { release: () => ended.push('place') } } as never;
    expect([tasks.get(id), tasks.byUpstream('one', 'one-1'), tasks.size]).toEqual([active, active, 1]);
    expect([...tasks]).toEqual([active]);
    expect(tasks.byUpstream('two', 'one-1')).toBeUndefined();
    tasks.release(active);
    expect([tasks.get(id), tasks.byUpstream('one', 'one-1'), tasks.size]).toEqual([undefined, undefined, 0]);
    expect(tasks.drives(active)).toBe(false);
    expect(ended).toEqual(['place', 'work', 'wait']);
    tasks.release(active);
    expect(ended.filter((what) => what === 'place')).toHaveLength(1);
  });

  it('that was released and taken again is not removed by a second release of its former entry', async () => {
    const { tasks, take } = await driving();
    const before = await take(INTENDED, CONFIRMED);
    tasks.release(before);
    const now = tasks.add(before.task);
    tasks.release(before);
    expect(tasks.get(now.task.id)).toBe(now);
    expect(tasks.byUpstream('one', 'one-1')).toBe(now);
    expect([tasks.drives(before), tasks.drives(now)]).toEqual([false, true]);
    expect(await tasks.apply(before, FAILED)).toBeUndefined();
  });

  it('is found by a job that it gets later', async () => {
    const { tasks, take } = await driving();
    const active = await take(INTENDED);
    expect(tasks.byUpstream('one', 'one-1')).toBeUndefined();
    await tasks.apply(active, CONFIRMED);
    expect(tasks.byUpstream('one', 'one-1')).toBe(active);
  });
});

describe('a transition', () => {
  it('is stored, and reported once caches know that it is coming', async () => {
    const { tasks, store, told, stale, take, woken } = await driving();
    const active = await take();
    const moving: boolean[] = [];
    const applied = tasks.apply(active, INTENDED);
    moving.push(active.moving);
    await Promise.resolve();
    await Promise.resolve();
    moving.push(active.moving);
    const task = await applied;
    expect(moving).toEqual([false, true]);
    expect(active).toMatchObject({ task, moving: false, writeUnknown: false });
    expect(stale).toEqual([active.task.id]);
    expect(told).toEqual([{ task, transition: true }]);
    expect(await store.task(active.task.id)).toEqual(task);
    expect(woken).toEqual([]);
  });

  it('is refused in another phase, or if the lifecycle does not allow it', async () => {
    const { tasks, told, take } = await driving();
    const active = await take(INTENDED);
    expect(await tasks.apply(active, FAILED, { only: 'running' })).toBeUndefined();
    expect(await tasks.apply(active, INTENDED)).toBeUndefined();
    expect(told).toEqual([]);
    expect(await tasks.apply(active, FAILED, { only: 'submitting' })).toMatchObject({ phase: 'failed' });
  });

  it('that ends the task is reported after the task was released', async () => {
    const { tasks, told, take } = await driving();
    const active = await take(INTENDED);
    let driven: boolean | undefined;
    const before = told.push.bind(told);
    told.push = (change) => {
      driven = tasks.drives(active);
      return before(change);
    };
    await tasks.apply(active, FAILED);
    expect([driven, tasks.size]).toEqual([false, 0]);
  });

  it('waits for the previous one', async () => {
    const { tasks, take } = await driving();
    const active = await take();
    const [one, two] = await Promise.all([tasks.apply(active, INTENDED), tasks.apply(active, CONFIRMED)]);
    expect([one?.phase, two?.phase]).toEqual(['submitting', 'running']);
  });

  it('is made after a failed one', async () => {
    let down = true;
    const { tasks, take } = await driving((store) => ({
      commit: (...given) => (down ? Promise.reject(DOWN) : store.commit(...given)),
    }));
    down = false;
    const active = await take();
    down = true;
    await expect(tasks.apply(active, INTENDED)).rejects.toBe(DOWN);
    down = false;
    expect(await tasks.apply(active, INTENDED)).toMatchObject({ phase: 'submitting' });
  });

  it('with an unknown outcome leaves the task in doubt until one is written', async () => {
    let down = true;
    const { tasks, stale, told, take } = await driving((store) => ({
      commit: (...given) => (down ? Promise.reject(DOWN) : store.commit(...given)),
    }));
    const active = await take();
    await expect(tasks.apply(active, INTENDED)).rejects.toBe(DOWN);
    expect(active).toMatchObject({ moving: false, writeUnknown: true });
    // Once for the write, and once for its unknown outcome.
    expect(stale).toEqual([active.task.id, active.task.id]);
    expect(told).toEqual([]);
    down = false;
    await tasks.apply(active, INTENDED);
    expect(active.writeUnknown).toBe(false);
  });

  it('that is written in the end, after no answer came, is reported once', async () => {
    let lost = true;
    const { tasks, told, woken, take } = await driving((store) => ({
      async commit(...given) {
        const written = await store.commit(...given);
        if (!lost) return written;
        lost = false;
        throw DOWN;
      },
    }));
    const active = await take();
    const task = await tasks.apply(active, INTENDED, { retryUntilWritten: true });
    expect(task).toMatchObject({ phase: 'submitting', version: 2 });
    expect(told).toEqual([{ task, transition: true }]);
    // A cancel request may have been stored after it.
    expect(woken).toHaveLength(1);
  });

  it('is tried again at growing intervals while the store is down, and that is logged once', async () => {
    let down = 4;
    const { tasks, waits, logged, take } = await driving((store) => ({
      commit: (...given) => (down-- > 0 ? Promise.reject(DOWN) : store.commit(...given)),
    }));
    down = 0;
    const active = await take();
    down = 4;
    expect(await tasks.apply(active, INTENDED, { retryUntilWritten: true })).toMatchObject({ version: 2 });
    const most = waits.map((ms) => Math.round(ms / 1.25));
    expect(waits).toHaveLength(4);
    for (const [n, ms] of [250, 500, 1000, 2000].entries()) expect(most[n]).toBeLessThanOrEqual(ms);
    for (const [n, ms] of [250, 500, 1000, 2000].entries())
      expect(waits[n]).toBeGreaterThanOrEqual(ms * 0.75);
    expect(logged).toMatchObject([{ event: 'task.write_failed', task: active.task.id, failures: 1 }]);
    // The next transition begins anew.
    down = 1;
    await tasks.apply(active, CONFIRMED, { retryUntilWritten: true });
    expect(waits[4]).toBeLessThanOrEqual(313);
  });

  it('finds a cancel request that another node has stored, and is made after it', async () => {
    const { tasks, store, woken, take } = await driving();
    const active = await take(INTENDED);
    const before = active.task;
    await asNextDriver({ store }, before.id, { type: 'cancel_requested' });
    const task = await tasks.apply(active, CONFIRMED);
    expect(task).toMatchObject({ phase: 'running', cancelRequestedAt: START_OF_TIME, version: 4 });
    expect(woken).toEqual([active]);
  });

  it('that is an intent is not made after a cancel request that another node has stored', async () => {
    const { tasks, store, take } = await driving();
    const active = await take();
    await asNextDriver({ store }, active.task.id, { type: 'cancel_requested' });
    expect(await tasks.apply(active, INTENDED, { retryUntilWritten: true })).toBeUndefined();
    expect(active.task).toMatchObject({ phase: 'accepted', cancelRequestedAt: START_OF_TIME, version: 2 });
    expect(tasks.drives(active)).toBe(true);
  });

  it('is refused if another node drives the task, which is then released', async () => {
    const { tasks, store, told, logged, take } = await driving();
    const active = await take();
    await store.adopt('another', 10);
    expect(await tasks.apply(active, INTENDED)).toBeUndefined();
    expect([tasks.size, active.task.owner]).toEqual([0, 'another']);
    expect(told).toEqual([]);
    expect(logged).toMatchObject([{ event: 'task.driver_changed', transition: 'submit_intended' }]);
  });

  it('is refused if the task is gone', async () => {
    const { tasks, take } = await driving(() => ({ commit: async () => false, task: async () => undefined }));
    const active = await take();
    expect(await tasks.apply(active, INTENDED)).toBeUndefined();
    expect(tasks.size).toBe(0);
  });

  it('that was written when the task was released is reported, but not returned, and its place is not counted here', async () => {
    const { tasks, told, take, moved } = await driving((store) => ({
      async commit(...given) {
        tasks.release(active);
        return store.commit(...given);
      },
    }));
    const active = await take();
    expect(await tasks.apply(active, INTENDED)).toBeUndefined();
    expect(told).toMatchObject([{ task: { phase: 'submitting' }, transition: true }]);
    expect(moved).toEqual([]);
  });

  it('with the job of another task is refused, and leaves the task unchanged', async () => {
    const { tasks, take } = await driving();
    await take(INTENDED, CONFIRMED);
    const active = await take({ ...INTENDED, idempotencyKey: 'e'.repeat(32) } as Event);
    const claiming = tasks.apply(active, CONFIRMED, { claim: true, retryUntilWritten: true });
    await expect(claiming).rejects.toBeInstanceOf(UpstreamIdTaken);
    expect(active).toMatchObject({ moving: false, writeUnknown: false, task: { phase: 'submitting' } });
    const own = await tasks.apply(active, { ...CONFIRMED, upstreamId: 'one-2' } as Event, { claim: true });
    expect(own).toMatchObject({ phase: 'running', attempt: { upstreamId: 'one-2' } });
  });

  it('that finds no place leaves the task as it is', async () => {
    const { tasks, take, told } = await driving();
    const active = await take();
    told.length = 0;
    const intending = tasks.apply(active, INTENDED, {
      intend: async () => 'no_place',
      retryUntilWritten: true,
    });
    await expect(intending).rejects.toBeInstanceOf(NoPlace);
    expect(active).toMatchObject({ moving: false, task: { phase: 'accepted', version: 1 } });
    expect([tasks.drives(active), told]).toEqual([true, []]);
  });

  it('that took a place although it seemed to fail is recognised', async () => {
    const { tasks, take, store } = await driving();
    const active = await take();
    let tries = 0;
    const intended = await tasks.apply(active, INTENDED, {
      retryUntilWritten: true,
      async intend(move) {
        tries += 1;
        if (tries > 1) return 'lost';
        await store.commit(move);
        throw DOWN;
      },
    });
    expect([tries, intended?.phase, active.task.phase]).toEqual([2, 'submitting', 'submitting']);
  });

  it('that took the last place although it seemed to fail is recognised', async () => {
    const { tasks, take, store } = await driving();
    const active = await take();
    let tries = 0;
    const intended = await tasks.apply(active, INTENDED, {
      retryUntilWritten: true,
      async intend(move) {
        tries += 1;
        if (tries > 1) return 'no_place';
        await store.commit(move);
        throw DOWN;
      },
    });
    expect([tries, intended?.phase, active.writeUnknown]).toEqual([2, 'submitting', false]);
  });

  it('that found no place after a try without an answer leaves the task in doubt', async () => {
    const { tasks, take } = await driving();
    const active = await take();
    let tries = 0;
    const intending = tasks.apply(active, INTENDED, {
      retryUntilWritten: true,
      async intend() {
        tries += 1;
        if (tries > 1) return 'no_place';
        throw DOWN;
      },
    });
    await expect(intending).rejects.toBeInstanceOf(NoPlace);
    expect(active).toMatchObject({ moving: false, writeUnknown: true, task: { phase: 'accepted' } });
  });

  it('is not retried for ever once the gateway stops', async () => {
    let tries = 0;
    const { tasks, take } = await driving(() => ({
      commit: () => {
        tries += 1;
        return Promise.reject(DOWN);
      },
    }));
    const active = await take();
    const applied = tasks
      .apply(active, INTENDED, { retryUntilWritten: true })
      .catch((error: unknown) => error);
    await tasks.settle();
    expect(await applied).toBe(DOWN);
    expect(tries).toBeGreaterThan(0);
  });
});

describe('reading a task again', () => {
  it('finds what another node wrote, and reports the previous state', async () => {
    const { tasks, store, woken, take } = await driving();
    const active = await take(INTENDED);
    const before = active.task;
    active.writeUnknown = true;
    await asNextDriver({ store }, before.id, CONFIRMED);
    await tasks.refresh(active);
    expect(active).toMatchObject({ task: { phase: 'running' }, writeUnknown: false });
    expect(tasks.byUpstream('one', 'one-1')).toBe(active);
    expect(woken).toEqual([active]);
    await tasks.refresh(active);
    expect(woken).toHaveLength(1);
  });

  it('does not make it certain if nothing newer is stored: an unknown write may still arrive', async () => {
    const { tasks, take } = await driving();
    const active = await take(INTENDED);
    active.writeUnknown = true;
    await tasks.refresh(active);
    expect(active.writeUnknown).toBe(true);
  });

  it.each<[string, (store: Store, id: string) => Promise<unknown>]>([
    ['has ended', (store, id) => asNextDriver({ store }, id, FAILED)],
    ['has another driver', (store) => store.adopt('another', 10)],
  ])('releases it if it %s', async (_what, change) => {
    const { tasks, store, woken, take } = await driving();
    const active = await take(INTENDED);
    await change(store, active.task.id);
    await tasks.refresh(active);
    expect(tasks.size).toBe(0);
    expect(woken).toEqual([active]);
  });

  it('is retried until the store is back, while the task is driven and the gateway runs', async () => {
    let down = 2;
    const { tasks, store, woken, take } = await driving((real) => ({
      task: (id) => (down-- > 0 ? Promise.reject(DOWN) : real.task(id)),
    }));
    const active = await take(INTENDED);
    await asNextDriver({ store }, active.task.id, CONFIRMED);
    await tasks.refresh(active);
    expect(woken).toHaveLength(1);
    down = Number.POSITIVE_INFINITY;
    const again = tasks.refresh(active).catch((error: unknown) => error);
    await tasks.settle();
    expect(await again).toBe(DOWN);
  });

  it('changes nothing if the task was released in the meantime', async () => {
    const { tasks, store, woken, take } = await driving((real) => ({
      async task(id) {
        const task = await real.task(id);
        tasks.release(active);
        return task;
      },
    }));
    const active = await take(INTENDED);
    await asNextDriver({ store }, active.task.id, CONFIRMED);
    await tasks.refresh(active);
    expect(active.task.phase).toBe('submitting');
    expect(woken).toHaveLength(1);
  });
});

describe('progress', () => {
  it('never falls, never reaches 100, and is reported when it changes', async () => {
    const { tasks, told, take } = await driving();
    const active = await take(INTENDED, CONFIRMED);
    const at = (progress: number | undefined, expectedAt: number) => {
      const before = told.length;
      tasks.reportProgress(active, progress, expectedAt);
      return [active.progress, active.expectedAt, told.length - before];
    };
    // The first expected end is a change, too.
    expect(at(undefined, 1)).toEqual([undefined, 1, 1]);
    expect(at(undefined, 2)).toEqual([undefined, 2, 0]);
    expect(at(40.9, 3)).toEqual([40, 3, 1]);
    expect(at(40.1, 4)).toEqual([40, 4, 0]);
    expect(at(20, 5)).toEqual([40, 5, 0]);
    expect(at(100, 6)).toEqual([99, 6, 1]);
    expect(told.at(-1)).toEqual({ task: active.task, transition: false });
  });
});
