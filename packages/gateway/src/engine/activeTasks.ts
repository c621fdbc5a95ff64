import type { Move } from '../tasks/lifecycle.ts';
import type { Task } from '../tasks/task.ts';
import { later, type Moment } from '../time/clock.ts';
import { type ActiveTask, endPhase, leaveUpstream, newActiveTask } from './activeTask.ts';
import type { EngineParts } from './parts.ts';
import { createTransitions, type Transitions } from './transitions.ts';

/** The unfinished tasks that this node drives, and the one way to change them. */
export interface ActiveTasks extends Transitions {
  /** `resumed`: an earlier driver has brought the task into its phase. */
  add(task: Task, options?: { readonly resumed?: boolean }): ActiveTask;
  get(taskId: string): ActiveTask | undefined;
  /** False once the task is finished, or has another driver. */
  drives(active: ActiveTask): boolean;
  /** The task behind an account's job. */
  byUpstream(accountId: string, upstreamId: string): ActiveTask | undefined;
  readonly size: number;
  [Symbol.iterator](): Iterator<ActiveTask>;
  /** Tells the feed that progress moved. */
  reportProgress(active: ActiveTask, progress: number | undefined, expectedAt: number): void;
  /** Stops driving a task. Work that is still in progress for it is not written any more. */
  release(active: ActiveTask): void;
}

/** The least time that a submitted task has before it expires when a node takes it over: enough for a last poll. Milliseconds. */
const LEAST_LEFT_MS = 600_000;

export function createActiveTasks(
  parts: Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> & {
    /** Called with every transition that this node has written of a task that it drives, before a task that has ended is dropped. */
    readonly moved?: (move: Move) => void;
  },
): ActiveTasks {
  const { feed, clock, timers } = parts;
  const activeTasks = new Map<string, ActiveTask>();
  const upstream = new Map<string, ActiveTask>();

  /**
   * Stored times may come from another process, and the clock may have been set since. They are converted to the time left, once.
   * A clock that was set back cannot extend it beyond the whole task deadline. If the clock was set forward, a submitted task still
   * gets `LEAST_LEFT_MS` to be polled, since it is paid for. A task that was never submitted expires at once.
   */
  function deadlineOf({ createdAt, deadlineAt, phase }: Task): Moment {
    const least = phase === 'accepted' ? Number.NEGATIVE_INFINITY : LEAST_LEFT_MS;
    const left = Math.min(deadlineAt - createdAt, Math.max(deadlineAt - clock.now(), least));
    return later(timers.monotonic(), left);
  }

  const jobOf = ({ attempt }: Task): string | undefined =>
    attempt?.upstreamId === undefined ? undefined : `${attempt.accountId} ${attempt.upstreamId}`;

  function index(active: ActiveTask): void {
    const job = jobOf(active.task);
    if (job !== undefined) upstream.set(job, active);
  }

  function drop(active: ActiveTask): void {
    // The task may have been released and taken again: the entry is then a newer one.
    if (activeTasks.get(active.task.id) === active) activeTasks.delete(active.task.id);
    const job = jobOf(active.task);
    if (job !== undefined && upstream.get(job) === active) upstream.delete(job);
    leaveUpstream(active);
    endPhase(active);
    active.wake?.();
  }

  /** A task that another node drives must not be written here any more. */
  const drives = (active: ActiveTask): boolean => activeTasks.get(active.task.id) === active;

  return {
    ...createTransitions({ ...parts, drives, index, drop, all: () => activeTasks.values() }),
    add(task, { resumed = false } = {}) {
      const active = newActiveTask(task, deadlineOf(task), resumed);
      activeTasks.set(task.id, active);
      index(active);
      return active;
    },
    get: (taskId) => activeTasks.get(taskId),
    drives,
    byUpstream: (accountId, upstreamId) => upstream.get(`${accountId} ${upstreamId}`),
    get size() {
      return activeTasks.size;
    },
    [Symbol.iterator]: () => activeTasks.values(),
    reportProgress(active, progress, expectedAt) {
      const before = active.progress;
      // 100 is reserved for `succeeded`: only then is the video stored here.
      if (progress !== undefined) active.progress = Math.max(before ?? 0, Math.min(99, Math.floor(progress)));
      const moved = active.progress !== before || active.expectedAt === undefined;
      active.expectedAt = expectedAt;
      if (moved) feed.publish({ task: active.task, transition: false });
    },
    release: drop,
  };
}
