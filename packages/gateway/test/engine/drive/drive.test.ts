import { describe, expect, it } from 'vitest';
import { type ActiveTask, phaseSignal, sleep } from '../../../src/engine/activeTask.ts';
import type { Job } from '../../../src/providers/provider.ts';
import type { Event } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { asNextDriver } from '../../support/nodes/oneOfSeveral.ts';
import {
  CANCEL_REQUESTED,
  CONFIRMED,
  DRIVEN,
  type DrivenPhase,
  driving,
  FAILED,
  FINISHED,
  INTENDED,
  intended,
  LEADING_TO,
  type Pass,
  REFUSED,
} from './driving.ts';

type Driving = Awaited<ReturnType<typeof driving>>;

describe('a task', () => {
  it('that is accepted begins in the first stage, without an intent', async () => {
    const { started, activeTasks, account } = await driving();
    const { phase, intent, active } = await started();
    expect([phase, intent, active.resumedIn]).toEqual(['accepted', undefined, undefined]);
    expect(activeTasks.get(active.task.id)).toBe(active);
    expect(account.limiter.placesUsed()).toBe(0);
  });

  it.each(DRIVEN)(
    'that is resumed in %s continues in the stage of this phase, without an intent',
    async (phase) => {
      const { resumed, account } = await driving();
      const pass = await resumed(phase);
      expect([pass.phase, pass.intent, pass.active.resumedIn]).toEqual([phase, undefined, phase]);
      const isUpstream = phase === 'submitting' || phase === 'running';
      expect(account.limiter.placesUsed()).toBe(isUpstream ? 1 : 0);
      expect(pass.active.place).toBe(isUpstream ? account : undefined);
      // The stage plans it.
      expect(pass.active.dueAt).toBeUndefined();
    },
  );

  it('that is resumed without its account continues without a place', async () => {
    const { stored, driver, passAt } = await driving();
    driver.resume(await stored(intended('another')));
    const pass = await passAt(0);
    expect([pass.phase, pass.active.place]).toEqual(['submitting', undefined]);
  });

  it('goes through the stages, and is not driven once it has ended', async () => {
    const { started, intend, move, passAt, passes, driver, activeTasks } = await driving();
    await intend(await started());
    await move(await passAt(1), CONFIRMED);
    await move(await passAt(2), FINISHED);
    await move(await passAt(3), FAILED);
    await driver.idle();
    expect(passes.map(({ phase }) => phase)).toEqual(['accepted', 'submitting', 'running', 'storing']);
    expect(activeTasks.size).toBe(0);
  });

  it('counts as resumed only in the phase in which it was resumed', async () => {
    const { resumed, move, passAt } = await driving();
    const first = await resumed('running');
    first.end('waited');
    const second = await passAt(1);
    expect(second.active.resumedIn).toBe('running');
    await move(second, FINISHED);
    expect((await passAt(2)).active.resumedIn).toBeUndefined();
  });

  it('that has ended is given to no stage, even if it is resumed by mistake', async () => {
    const { stored, driver, passesSoFar, logged } = await driving();
    driver.resume(await stored(...LEADING_TO.running, FAILED));
    expect(await passesSoFar()).toBe(0);
    expect(logged).toMatchObject([
      { event: 'task.driver_failed', err: { message: expect.stringContaining('failed') } },
    ]);
  });
});

describe('the token of an intent', () => {
  it.each<[string, (world: Driving, pass: Pass) => unknown]>([
    ['has waited', (_world, pass) => pass.end('waited')],
    ['has moved nothing', (_world, pass) => pass.end()],
    ['has failed', (_world, pass) => pass.fail(new Error('the store refuses it'))],
  ])('reaches the next pass, and no later one if that %s', async (_how, end) => {
    const world = await driving();
    const { started, intend, passAt, advance, passesSoFar } = world;
    const intent = await intend(await started());
    const second = await passAt(1);
    expect([second.phase, second.intent]).toEqual(['submitting', intent]);
    end(world, second);
    await passesSoFar();
    advance(1000);
    const third = await passAt(2);
    expect([third.phase, third.intent]).toEqual(['submitting', undefined]);
    // Also after that.
    third.end('waited');
    expect((await passAt(3)).intent).toBeUndefined();
  });

  it('of one attempt is not used for the next', async () => {
    const { started, intend, move, passAt } = await driving();
    const first = await intend(await started());
    await move(await passAt(1), REFUSED);
    const waiting = await passAt(2);
    expect([waiting.phase, waiting.intent]).toEqual(['accepted', undefined]);
    const second = await intend(waiting);
    expect((await passAt(3)).intent).toBe(second);
    expect(second.task.attempt?.number).toBe((first.task.attempt?.number ?? 0) + 1);
  });

  it('does not exist for an intent that was stored by a pass that then failed', async () => {
    const { started, activeTasks, passAt, passesSoFar, advance } = await driving();
    const first = await started();
    await activeTasks.apply(first.active, INTENDED);
    first.fail(new Error('after the write'));
    await passesSoFar();
    advance(1000);
    const second = await passAt(1);
    expect([second.phase, second.intent]).toEqual(['submitting', undefined]);
  });

  it('is used although the node stops meanwhile', async () => {
    const { started, activeTasks, account, timers, passAt, driver, passesSoFar } = await driving();
    const first = await started();
    const task = await activeTasks.apply(first.active, INTENDED);
    driver.stop();
    if (task) first.end({ task, account, madeAt: timers.monotonic() });
    const second = await passAt(1);
    expect(second.intent?.task).toBe(task);
    second.end();
    await driver.idle();
    expect(await passesSoFar()).toBe(2);
  });
});

describe('a pass that moves nothing', () => {
  /** When passes begin, in seconds, if each ends as `end` says. */
  async function beginnings(end: (pass: Pass) => void): Promise<number[]> {
    const { started, passes, passesSoFar, timers } = await driving();
    await started();
    const start = timers.trueTime();
    const seconds: number[] = [];
    for (let index = 0; index < 9; index++) {
      await passesSoFar();
      expect(passes).toHaveLength(index + 1);
      seconds.push((timers.trueTime() - start) / 1000);
      const pass = passes[index];
      if (pass) end(pass);
      await passesSoFar();
      timers.moveTo(timers.nextAt() ?? 0);
    }
    return seconds;
  }
  const DOUBLING = [0, 1, 3, 7, 15, 31, 63, 123, 183];

  it('is repeated after 1 s, 2 s, 4 s … up to a minute', async () => {
    expect(await beginnings((pass) => pass.end())).toEqual(DOUBLING);
  });

  it('because of an error is repeated at the same times, and the log tells of each', async () => {
    const { started, passAt, passesSoFar, logged, advance } = await driving();
    const pass = await started();
    expect(await beginnings((failing) => failing.fail(new Error('broken')))).toEqual(DOUBLING);
    pass.fail(new Error('broken'));
    await passesSoFar();
    expect(logged).toMatchObject([
      { event: 'task.driver_failed', task: pass.active.task.id, err: { message: 'broken' } },
    ]);
    advance(1000);
    (await passAt(1)).fail(new Error('still broken'));
    await passesSoFar();
    expect(logged).toHaveLength(2);
  });

  it.each<[string, (world: Driving, pass: Pass) => unknown]>([
    ['moves the task', ({ move }, pass) => move(pass, INTENDED)],
    ['waits', (_world, pass) => pass.end('waited')],
  ])('waits for one second again after a pass that %s', async (_what, end) => {
    const world = await driving();
    const { started, passAt, passesSoFar, timers } = world;
    (await started()).end();
    await passesSoFar();
    timers.moveTo(timers.nextAt() ?? 0);
    (await passAt(1)).end();
    await passesSoFar();
    timers.moveTo(timers.nextAt() ?? 0);
    await end(world, await passAt(2));
    (await passAt(3)).end();
    await passesSoFar();
    expect((timers.nextAt() ?? 0) - timers.trueTime()).toBe(1000);
  });

  it.each<[string, DrivenPhase, Event, Partial<Task>]>([
    [
      'a cancel request',
      'accepted',
      CANCEL_REQUESTED,
      { phase: 'accepted', cancelRequestedAt: expect.any(Number) },
    ],
    ['an upstream id', 'submitting', CONFIRMED, { phase: 'running' }],
  ])('is followed by one that knows of %s stored meanwhile', async (_what, phase, event, known) => {
    const { resumed, store, passAt, passesSoFar, advance } = await driving();
    const first = await resumed(phase);
    await asNextDriver({ store }, first.task.id, event);
    first.end();
    await passesSoFar();
    advance(1000);
    expect((await passAt(1)).task).toMatchObject(known);
  });

  it('ends the loop if the task has ended meanwhile, or has another driver', async () => {
    const { resumed, store, passesSoFar, advance, driver, activeTasks } = await driving();
    const first = await resumed('running');
    await asNextDriver({ store }, first.task.id, FAILED);
    first.end();
    await passesSoFar();
    advance(1000);
    await driver.idle();
    expect([activeTasks.size, await passesSoFar()]).toEqual([0, 1]);
  });

  it('is repeated although the task cannot be read', async () => {
    const { started, activeTasks, passAt, passesSoFar, advance, logged } = await driving({
      store: () => ({ task: () => Promise.reject(new Error('the store is down')) }),
    });
    const first = await started();
    // Reads are not retried any more.
    await activeTasks.settle();
    first.end();
    await passesSoFar();
    advance(1000);
    expect((await passAt(1)).phase).toBe('accepted');
    expect(logged).toMatchObject([{ event: 'task.driver_failed', err: { message: 'the store is down' } }]);
  });

  it('is repeated at once if the task is woken', async () => {
    const { started, passAt, passesSoFar } = await driving();
    const first = await started();
    first.end();
    await passesSoFar();
    first.active.wake?.();
    expect((await passAt(1)).phase).toBe('accepted');
  });
});

it('a pass that has waited is followed by the next at once, and only by one', async () => {
  const { started, passAt, passesSoFar } = await driving();
  (await started()).end('waited');
  await passAt(1);
  expect(await passesSoFar()).toBe(2);
});

describe('a task that is released', () => {
  it('during a pass has no other, and the work of its phase is aborted', async () => {
    const { started, driver, activeTasks, passesSoFar } = await driving();
    const { active, end } = await started();
    const signal = phaseSignal(active);
    driver.release(active);
    expect([signal.aborted, activeTasks.drives(active)]).toEqual([true, false]);
    end('waited');
    await driver.idle();
    expect(await passesSoFar()).toBe(1);
  });

  it('between two passes has no other, and is not read again', async () => {
    let reads = 0;
    const { started, driver, passesSoFar } = await driving({
      store: (store) => ({
        task(id) {
          reads += 1;
          return store.task(id);
        },
      }),
    });
    const first = await started();
    first.end();
    await passesSoFar();
    driver.release(first.active);
    await driver.idle();
    expect([await passesSoFar(), reads]).toEqual([1, 0]);
  });

  it('during a wait of its stage ends the wait', async () => {
    const { started, driver, timers } = await driving();
    const { active, end } = await started();
    void sleep(active, timers, 60_000).then(() => end('waited'));
    driver.release(active);
    await driver.idle();
    expect(timers.nextAt()).toBeUndefined();
  });

  it('leaves its progress to the next driver, and its cached state is forgotten', async () => {
    const { resumed, driver, activeTasks, transferred, invalidated, account } = await driving();
    const { active } = await resumed('running');
    activeTasks.reportProgress(active, 40, 1234);
    driver.release(active);
    const { id } = active.task;
    expect(transferred).toEqual([[id, { percent: 40, expectedAt: 1234 }]]);
    expect(invalidated).toEqual([id]);
    expect(account.limiter.placesUsed()).toBe(0);
  });

  it('may be resumed while its last pass is still in progress; only the new loop goes on', async () => {
    const { started, driver, store, passAt, passesSoFar } = await driving();
    const first = await started();
    driver.release(first.active);
    const task = await store.task(first.task.id);
    if (task) driver.resume(task);
    const second = await passAt(1);
    expect(second.active).not.toBe(first.active);
    first.end('waited');
    second.end('waited');
    expect((await passAt(2)).active).toBe(second.active);
    expect(await passesSoFar()).toBe(3);
  });
});

describe('a node that stops', () => {
  it('ends waits, and begins no pass any more', async () => {
    const { started, stored, driver, timers, passesSoFar, stopping } = await driving();
    const { active, end } = await started();
    void sleep(active, timers, 60_000).then(() => end('waited'));
    driver.stop();
    expect(stopping.signal.aborted).toBe(true);
    await driver.idle();
    driver.start(await stored());
    driver.resume(await stored(INTENDED));
    await driver.idle();
    expect(await passesSoFar()).toBe(1);
  });

  it('does not wait for the next try of a task, and does not read it', async () => {
    let reads = 0;
    const { started, driver, passesSoFar, timers } = await driving({
      store: (store) => ({
        task(id) {
          reads += 1;
          return store.task(id);
        },
      }),
    });
    (await started()).fail(new Error('broken'));
    await passesSoFar();
    driver.stop();
    await driver.idle();
    expect([await passesSoFar(), reads, timers.nextAt()]).toEqual([1, 0, undefined]);
  });

  it('does not abort a pass in progress, waits for it, and leaves the task active', async () => {
    const { started, intend, passAt, driver, activeTasks } = await driving();
    await intend(await started());
    const sending = await passAt(1);
    const signal = phaseSignal(sending.active);
    driver.stop();
    let isIdle = false;
    const idle = driver.idle().then(() => {
      isIdle = true;
    });
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect([isIdle, signal.aborted]).toEqual([false, false]);
    await activeTasks.apply(sending.active, CONFIRMED);
    sending.end();
    await idle;
    expect(activeTasks.get(sending.task.id)?.task.phase).toBe('running');
  });

  it('does not try again what fails while it stops', async () => {
    const { started, driver, timers } = await driving();
    const { fail } = await started();
    driver.stop();
    fail(new Error('stopped'));
    await driver.idle();
    expect(timers.nextAt()).toBeUndefined();
  });

  it('that has nothing to do is idle at once', async () => {
    const { driver } = await driving();
    driver.stop();
    await driver.idle();
  });
});

describe('a job that runs inside this process', () => {
  /** Resumes a task; the job counts as resumed once the test says so. */
  async function resuming(phase: DrivenPhase) {
    const jobs: Job[] = [];
    const done = Promise.withResolvers<void>();
    const world = await driving({
      provider: {
        resume(job) {
          jobs.push(job);
          return done.promise;
        },
      },
    });
    const task = await world.stored(...LEADING_TO[phase]);
    world.driver.resume(task);
    return { ...world, task, jobs, done };
  }

  it.each(['running', 'storing'] as const)('is resumed before the first pass in %s', async (phase) => {
    const { task, jobs, done, passesSoFar, passAt } = await resuming(phase);
    expect(await passesSoFar()).toBe(0);
    expect(jobs).toMatchObject([
      { taskId: task.id, attempt: 1, upstreamModel: 'm', request: { prompt: 'as the upstream gets it' } },
    ]);
    done.resolve();
    (await passAt(0)).end('waited');
    await passAt(1);
    expect(jobs).toHaveLength(1);
  });

  it.each(['accepted', 'submitting'] as const)('is not resumed in %s: there may be none', async (phase) => {
    const { jobs, passAt } = await resuming(phase);
    await passAt(0);
    expect(jobs).toEqual([]);
  });

  it('is not resumed for a task that this node drives from the start', async () => {
    const jobs: Job[] = [];
    const { started, intend, passAt, move } = await driving({
      provider: { resume: async (job) => void jobs.push(job) },
    });
    await intend(await started());
    await move(await passAt(1), CONFIRMED);
    await passAt(2);
    expect(jobs).toEqual([]);
  });

  it.each<[string, () => Promise<void>]>([
    ['cannot be resumed', () => Promise.reject(new Error('no such file'))],
    [
      'cannot even be asked for',
      () => {
        throw new Error('no such file');
      },
    ],
  ])('that %s is logged, and polled like any other', async (_what, resume) => {
    const { resumed, logged } = await driving({ provider: { resume } });
    const pass = await resumed('running');
    expect(pass.phase).toBe('running');
    expect(logged).toMatchObject([
      { event: 'upstream.adopt_failed', task: pass.task.id, err: { message: 'no such file' } },
    ]);
  });

  it('is not driven if the task was released meanwhile', async () => {
    const { task, done, activeTasks, driver, passesSoFar } = await resuming('running');
    const active = activeTasks.get(task.id);
    if (active) driver.release(active);
    done.resolve();
    await driver.idle();
    expect(await passesSoFar()).toBe(0);
  });
});

describe('a task can be transferred', () => {
  interface Situation {
    readonly events: readonly Event[];
    readonly now?: Partial<ActiveTask>;
    readonly local?: boolean;
    readonly settled?: boolean;
  }
  const { accepted, submitting, running, storing } = LEADING_TO;
  it.each<[string, boolean, Situation]>([
    ['while it waits', true, { events: accepted }],
    ['while it waits to be cancelled', true, { events: [CANCEL_REQUESTED] }],
    ['not while it is submitted', false, { events: submitting }],
    ['while its job runs', true, { events: running }],
    ['not while its job is cancelled', false, { events: [...running, CANCEL_REQUESTED] }],
    ['before its download', true, { events: storing }],
    ['not during its download', false, { events: storing, now: { downloading: true } }],
    ['not while it is written', false, { events: accepted, now: { moving: true } }],
    ['not away from its process', false, { events: running, local: true }],
    ['before it has a job, wherever that would run', true, { events: accepted, local: true }],
    ['when nothing is in progress any more, in any phase', true, { events: submitting, settled: true }],
    ['then also during its download', true, { events: storing, now: { downloading: true }, settled: true }],
    ['then also away from its process', true, { events: running, local: true, settled: true }],
    ['then not while it is written', false, { events: accepted, now: { moving: true }, settled: true }],
  ])('%s: %s', async (_when, can, { events, now, local = false, settled = false }) => {
    const { stored, driver, activeTasks } = await driving({ account: { local } });
    const active = Object.assign(activeTasks.add(await stored(...events)), now);
    if (settled) driver.allowTransfers();
    expect(driver.isTransferable(active)).toBe(can);
  });
});
