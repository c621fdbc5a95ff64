import { describe, expect, it } from 'vitest';
import { createFeed } from '../../../src/engine/events/feed.ts';
import { maxProgress, shareProgress } from '../../../src/engine/events/progress.ts';
import { createManualCluster } from '../../support/manualCluster.ts';
import { createManualTimers } from '../../support/manualTimers.ts';

function sharing({ shared = true } = {}) {
  const cluster = createManualCluster();
  const timers = createManualTimers();
  const feed = createFeed();
  const parts = { cluster: Object.assign(cluster, { shared }), feed, clock: timers, timers };
  return {
    progress: shareProgress(parts),
    cluster,
    feed,
    timers,
    pass: (ms: number) => timers.moveTo(timers.trueTime() + ms),
    hear: (id: string, percent: number | null, remainingMs = 1000) =>
      cluster.hear({ kind: 'progress', tasks: [[id, percent, remainingMs]] }),
  };
}

describe('progress that is sent to other nodes', () => {
  it('waits for half a second, and then only the latest of each task is sent', () => {
    const { progress, cluster, timers, pass } = sharing();
    const in10s = timers.now() + 10_000;
    progress.update('one', { percent: 10, expectedAt: in10s });
    progress.update('two', { percent: undefined, expectedAt: undefined });
    pass(499);
    expect(cluster.told).toEqual([]);
    progress.update('one', { percent: 20, expectedAt: in10s });
    pass(1);
    expect(cluster.told).toEqual([
      {
        kind: 'progress',
        tasks: [
          ['one', 20, 9500],
          ['two', null, 0],
        ],
      },
    ]);
    pass(10_000);
    expect(cluster.told).toHaveLength(1);
    progress.update('one', { percent: 30, expectedAt: in10s });
    pass(500);
    // An overdue task has nothing left, not less than nothing.
    expect(cluster.told[1]).toEqual({ kind: 'progress', tasks: [['one', 30, 0]] });
  });

  it('is sent in parts, so that transitions do not wait behind it', () => {
    const { progress, cluster, pass } = sharing();
    for (let index = 0; index < 1001; index++) {
      progress.update(`task ${index}`, { percent: 1, expectedAt: undefined });
    }
    for (let times = 0; times < 4; times++) pass(500);
    expect(cluster.told.map((message) => ('tasks' in message ? message.tasks.length : 0))).toEqual([
      500, 500, 1,
    ]);
  });

  it('is not sent if there are no other nodes', () => {
    const { progress, cluster, timers } = sharing({ shared: false });
    progress.update('one', { percent: 10, expectedAt: undefined });
    progress.transferred('one', { percent: 10, expectedAt: undefined });
    expect(timers.nextAt()).toBeUndefined();
    expect(cluster.told).toEqual([]);
    expect(progress.of('one')).toBeUndefined();
  });

  it('is not sent under a later lease', () => {
    const { progress, cluster, feed, pass } = sharing();
    progress.update('one', { percent: 10, expectedAt: undefined });
    feed.invalidateAll();
    pass(500);
    expect(cluster.told).toEqual([]);
  });
});

describe('progress from other nodes', () => {
  it('is counted from the time of its arrival, whatever the clocks of the nodes say', () => {
    const { progress, timers, hear } = sharing();
    timers.setWallClock(3_600_000);
    hear('one', 40, 7000);
    expect(progress.of('one')).toEqual({ percent: 40, expectedAt: timers.now() + 7000 });
    expect(progress.of('two')).toBeUndefined();
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
  [undefined, undefined, undefined],
  [undefined, 3, 3],
  [3, undefined, 3],
  [3, 4, 4],
  [4, 3, 4],
  [0, undefined, 0],
])('the maxProgress of %s and %s is %s', (a, b, most) => {
  expect(maxProgress(a, b)).toBe(most);
});
