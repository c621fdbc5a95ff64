import { describe, expect, it } from 'vitest';
import type { ActiveTask } from '../../../src/engine/activeTask.ts';
import { newActiveTask } from '../../../src/engine/activeTask.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { type LiveProgress, shareProgress } from '../../../src/engine/events/progress.ts';
import { aTask } from '../../support/builders.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

function sharing({ shared = true } = {}) {
  const cluster = createManualCluster();
  const timers = createManualTimers();
  const feed = createFeed();
  const active = new Map<string, ActiveTask>();
  const parts = {
    cluster: Object.assign(cluster, { shared }),
    feed,
    clock: timers,
    timers,
    activeTasks: { get: (id: string) => active.get(id) },
  };
  return {
    progress: shareProgress(parts),
    cluster,
    feed,
    timers,
    /** A task that this node drives has this progress. */
    update(id: string, { percent: progress, expectedAt, queryAgainAt }: LiveProgress) {
      const task = aTask({ id });
      active.set(id, { ...newActiveTask(task, timers.monotonic()), progress, expectedAt, queryAgainAt });
      feed.publish({ task, transition: false });
    },
    /** The task has ended, or another node drives it. */
    release: (id: string) => active.delete(id),
    pass: (ms: number) => timers.moveTo(timers.trueTime() + ms),
    hear: (id: string, percent: number | null, remainingMs = 1000, queryAgainInMs = remainingMs) =>
      cluster.hear({ kind: 'progress', tasks: [[id, percent, remainingMs, queryAgainInMs]] }),
  };
}

it('progress that another node sends is told to those who watch the task, until they stop', () => {
  const { feed, hear, progress } = sharing();
  const told: (number | undefined)[] = [];
  const stop = feed.onProgress('one', () => told.push(progress.of('one')?.percent));
  const stopOther = feed.onProgress('one', () => told.push(undefined));
  hear('one', 10);
  hear('two', 50);
  stopOther();
  hear('one', 30);
  stop();
  hear('one', 40);
  expect(told).toEqual([10, undefined, 30]);
});

describe('progress that is sent to other nodes', () => {
  it('waits for half a second, and then only the latest of each task is sent', () => {
    const { update, cluster, timers, pass } = sharing();
    const in10s = timers.now() + 10_000;
    update('one', { percent: 10, expectedAt: in10s, queryAgainAt: in10s - 8000 });
    update('two', { percent: undefined, expectedAt: undefined });
    pass(499);
    expect(cluster.told).toEqual([]);
    update('one', { percent: 20, expectedAt: in10s, queryAgainAt: in10s - 8000 });
    pass(1);
    expect(cluster.told).toEqual([
      {
        kind: 'progress',
        tasks: [
          ['one', 20, 9500, 1500],
          ['two', null, 0, 0],
        ],
      },
    ]);
    pass(10_000);
    expect(cluster.told).toHaveLength(1);
    update('one', { percent: 30, expectedAt: in10s });
    pass(500);
    // An overdue task has nothing left, not less than nothing.
    expect(cluster.told[1]).toEqual({ kind: 'progress', tasks: [['one', 30, 0, 0]] });
  });

  it('is sent in parts, so that transitions do not wait behind it', () => {
    const { update, cluster, pass } = sharing();
    for (let index = 0; index < 1001; index++) {
      update(`task ${index}`, { percent: 1, expectedAt: undefined });
    }
    for (let times = 0; times < 4; times++) pass(500);
    expect(cluster.told.map((message) => ('tasks' in message ? message.tasks.length : 0))).toEqual([
      500, 500, 1,
    ]);
  });

  it('is not sent if there are no other nodes', () => {
    const { progress, update, release, cluster, timers } = sharing({ shared: false });
    update('one', { percent: 10, expectedAt: undefined });
    progress.transferred('one', { percent: 10, expectedAt: undefined });
    expect(timers.nextAt()).toBeUndefined();
    expect(cluster.told).toEqual([]);
    release('one');
    expect(progress.of('one')).toBeUndefined();
  });

  it('is not sent under a later lease', () => {
    const { update, cluster, feed, pass } = sharing();
    update('one', { percent: 10, expectedAt: undefined });
    feed.invalidateAll();
    pass(500);
    expect(cluster.told).toEqual([]);
  });
});

describe('progress from other nodes', () => {
  it('is counted from the time of its arrival, whatever the clocks of the nodes say', () => {
    const { progress, timers, hear } = sharing();
    timers.setWallClock(3_600_000);
    hear('one', 40, 7000, 500);
    const expectedAt = timers.now() + 7000;
    expect(progress.of('one')).toEqual({ percent: 40, expectedAt, queryAgainAt: timers.now() + 500 });
    expect(progress.of('two')).toBeUndefined();
  });

  it('is worth another look after a tenth of the time that is left, while nothing new is told', () => {
    const { progress, timers, hear, pass } = sharing();
    hear('one', 40, 7000, 500);
    pass(2000);
    expect(progress.of('one')?.queryAgainAt).toBe(timers.now() + 500);
    pass(10_000);
    expect(progress.of('one')?.queryAgainAt).toBe(timers.now());
  });

  it('never falls, even if the task moves to another node', () => {
    const { progress, hear } = sharing();
    hear('one', 40);
    hear('one', 20);
    expect(progress.of('one')?.percent).toBe(40);
    hear('one', null);
    expect(progress.of('one')?.percent).toBe(40);
    progress.transferred('one', { percent: 60, expectedAt: undefined });
    hear('one', 50);
    expect(progress.of('one')?.percent).toBe(60);
    progress.transferred('two', { percent: undefined, expectedAt: 5 });
    expect(progress.of('two')).toBeUndefined();
  });

  it('is dropped with the lease, but kept when a single task changes', () => {
    const { progress, feed, hear } = sharing();
    hear('one', 40);
    feed.invalidate('one');
    expect(progress.of('one')?.percent).toBe(40);
    feed.invalidateAll();
    expect(progress.of('one')).toBeUndefined();
  });

  it('is kept only for a limited number of tasks, the most recent ones', () => {
    const { progress, hear } = sharing();
    for (let index = 0; index < 50_000; index++) hear(`task ${index}`, 1);
    hear('task 0', 2);
    hear('another', 1);
    expect(progress.of('task 0')?.percent).toBe(2);
    expect(progress.of('task 1')).toBeUndefined();
    expect(progress.of('task 2')?.percent).toBe(1);
  });

  it('is not taken from other messages', () => {
    const { progress, cluster } = sharing();
    cluster.hear({ kind: 'moved', tasks: [['one', 2]] });
    expect(progress.of('one')).toBeUndefined();
  });
});

it.each([
  [undefined, null, undefined],
  [undefined, 3, 3],
  [3, null, 3],
  [3, 4, 4],
  [4, 3, 4],
  [0, null, 0],
])(
  'the progress of a task that is at %s here and was at %s on its former node is %s',
  (here, there, most) => {
    const { progress, update, hear } = sharing();
    hear('one', there);
    update('one', { percent: here, expectedAt: 5 });
    expect(progress.of('one')).toEqual({ percent: most, expectedAt: 5 });
  },
);

it('a transition is not taken for progress', () => {
  const { update, feed, cluster, pass } = sharing();
  update('one', { percent: 1, expectedAt: undefined });
  pass(500);
  feed.publish({ task: aTask({ id: 'one' }), transition: true });
  pass(500);
  expect(cluster.told).toHaveLength(1);
});
