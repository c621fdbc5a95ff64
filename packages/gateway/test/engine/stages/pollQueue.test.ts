import { describe, expect, it } from 'vitest';
import { type ActiveTask, newActiveTask } from '../../../src/engine/activeTask.ts';
import { createPollQueue } from '../../../src/engine/stages/pollQueue.ts';
import { newTrackedJob } from '../../../src/engine/tracking/trackedJob.ts';
import type { Answer } from '../../../src/providers/provider.ts';
import { later, momentAt } from '../../../src/time/clock.ts';
import { aTask } from '../../support/builders.ts';

const PAGE = 100;
const NOW = momentAt(0);
const LATER = momentAt(1000);
const WORKING: Answer = { state: 'in_progress' };

const pageOf = (active: ActiveTask): number => Math.floor(numberOf(active) / PAGE);

/** The tasks of the page that has the most of them. */
function onOnePage(tasks: readonly ActiveTask[]): readonly ActiveTask[] {
  const pages = [...Map.groupBy(tasks, pageOf).values()];
  return pages.sort((one, other) => other.length - one.length)[0] ?? [];
}

/** A queue of an account whose list has pages, with so many jobs that are all due. */
function aQueue(jobs: number) {
  const queue = createPollQueue({ most: PAGE, choose: onOnePage, weighAgain: () => false });
  const tasks = Array.from({ length: jobs }, (_, n) => {
    const attempt = {
      number: 1,
      accountId: 'list',
      idempotencyKey: `${n}`.padStart(32, '0'),
      upstreamModel: 'model',
      intendedAt: 0,
      upstreamId: `job ${n}`,
    };
    const active = newActiveTask({ ...aTask({ id: `task ${n}`, phase: 'running' }), attempt }, NOW);
    active.dueAt = NOW;
    queue.wait(active);
    return active;
  });
  // As the times of jobs have it, which says nothing of their pages.
  for (let n = 0; n < jobs; n++) queue.due(tasks[(n * 617) % jobs] as ActiveTask, NOW);
  return queue;
}

const numberOf = ({ task }: ActiveTask): number => Number(task.attempt?.upstreamId?.slice('job '.length));

describe('jobs on many pages of a list', () => {
  it('are all found by batches, and none is polled alone because others are on the same page', () => {
    const jobs = 1500;
    const queue = aQueue(jobs);
    const left = new Set(Array.from({ length: jobs }, (_, n) => n));
    let alone = 0;
    let requests = 0;
    for (; left.size > 0; requests++) {
      const batch = queue.next(NOW);
      const page = pageOf(batch[0] as ActiveTask);
      const answers = new Map(
        Array.from({ length: PAGE }, (_, n) => [`job ${page * PAGE + n}`, WORKING] as const),
      );
      const shared = queue.share(batch, answers, NOW);
      alone += shared.alone;
      for (const [active] of shared.told) {
        left.delete(numberOf(active));
        queue.leave(active);
      }
    }
    expect(alone).toBe(0);
    expect(requests).toBe(jobs / PAGE);
  });
});

describe('jobs that have been due for long', () => {
  /** A task that was polled a second ago. */
  function aPolledTask(n: number, weight: number): ActiveTask {
    const active = newActiveTask(aTask({ id: `task ${n}`, phase: 'running' }), NOW);
    active.tracked = { ...newTrackedJob(NOW, undefined, NOW), weight, dueWeight: weight };
    return active;
  }

  it('are polled by what they weigh now, not by what they weighed when they were planned', () => {
    const [often, forgotten] = [aPolledTask(1, 2), aPolledTask(2, 1)];
    const queue = createPollQueue({
      most: 1,
      weighAgain(active) {
        if (active !== forgotten || forgotten.tracked?.dueWeight !== 1) return false;
        forgotten.tracked.dueWeight = 3;
        return true;
      },
    });
    for (const active of [often, forgotten]) queue.due(active, LATER);
    expect(queue.next(LATER)).toEqual([forgotten]);
    expect(queue.next(LATER)).toEqual([often]);
  });

  it('are weighed in parts if there are many, each in its turn, so that the event loop is not blocked', () => {
    const tasks = Array.from({ length: 1800 }, (_, n) => aPolledTask(n, 1));
    const weighed = new Set<ActiveTask>();
    const queue = createPollQueue({
      most: 1,
      weighAgain(active) {
        weighed.add(active);
        return true;
      },
    });
    for (const active of tasks) queue.due(active, LATER);
    const counts = Array.from({ length: 40 }, (_, n) => {
      const now = later(LATER, (n + 1) * 200);
      queue.due(queue.next(now)[0] as ActiveTask, now);
      return weighed.size;
    });
    expect(counts.slice(0, 3)).toEqual([100, 200, 300]);
    expect(counts.at(-1)).toBe(1800);
  });
});
