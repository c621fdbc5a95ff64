import type { AccountState } from '../limits/account.ts';
import type { Phase, Task } from '../tasks/task.ts';
import type { Moment } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { TrackedJob } from './tracking/trackedJob.ts';

/** An unfinished task that this node drives: the stored task, and the state that is kept in memory only. */
export interface ActiveTask {
  task: Task;
  /** The phase in which this node took the task over from an earlier driver, until the task leaves it. */
  resumedIn: Phase | undefined;
  /** 0-100, never falling. */
  progress: number | undefined;
  /** When the task is expected to be done, and when it is worth while to look again. Milliseconds UTC. */
  expectedAt: number | undefined;
  queryAgainAt: number | undefined;
  /** The account on which the task has a place, or is about to take one. The place is free again when the upstream is done with the task. */
  place: AccountState | undefined;
  /** When the task expires, computed from the time that was left when this node took it over. */
  readonly deadline: Moment;

  /** The task had its turn and was refused temporarily: it waits in front of others. */
  hadTurn: boolean;
  /** Submissions that failed because of this gateway itself. They do not count towards `maxAttempts`. */
  internalFailures: number;
  /** Refusals that count towards `maxAttempts`. Refusals caused by the account or by this gateway are not counted. */
  refusals: number;
  /** When the task may be submitted again after a failure of this gateway itself. */
  retryAt: Moment | undefined;

  /** Consecutive polls that failed or did not find the job. */
  pollFailures: number;
  missingSince: Moment | undefined;
  /** Since when its server has not answered, or has not known its job. */
  silentSince: Moment | undefined;
  /** What the polls of its job have told; undefined unless the upstream has the task. */
  tracked: TrackedJob | undefined;
  /** When the next poll is due; undefined while a poll is in flight. */
  dueAt: Moment | undefined;
  /** The stored cancel request was sent upstream. */
  cancelSent: boolean;

  /** Its download has begun: the bytes are on this node's disk, which no other node reads. */
  downloading: boolean;
  /** True while a transition is being written: the stored task may be newer than `task`. */
  moving: boolean;
  /** True after a write whose outcome is unknown: the stored task may be newer than `task`. */
  writeUnknown: boolean;
  /** The last queued transition. Transitions of one task are written one at a time, each based on the result of the one before. */
  lastMove: Promise<unknown>;

  /** Ends the wait that the driver is in, so that it looks at the task again: the task was changed or released, or a drain begins. */
  wake: (() => void) | undefined;
  /** As `phaseSignal`. Made for the stages that need it: 100,000 tasks that wait for a poll have none. */
  phaseOver: AbortController | undefined;
}

/** The initial state of a task that this node starts to drive. */
export const newActiveTask = (task: Task, deadline: Moment, resumed = false): ActiveTask => ({
  task,
  resumedIn: resumed ? task.phase : undefined,
  progress: undefined,
  expectedAt: undefined,
  queryAgainAt: undefined,
  place: undefined,
  deadline,
  hadTurn: false,
  internalFailures: 0,
  refusals: 0,
  retryAt: undefined,
  pollFailures: 0,
  missingSince: undefined,
  silentSince: undefined,
  tracked: undefined,
  dueAt: undefined,
  cancelSent: false,
  downloading: false,
  moving: false,
  writeUnknown: false,
  lastMove: Promise.resolve(),
  wake: undefined,
  phaseOver: undefined,
});

/**
 * A signal that is aborted once the task has left its phase, whoever wrote that, or this node does not drive it any more. The task must
 * be driven when this is called.
 */
export function phaseSignal(active: ActiveTask): AbortSignal {
  active.phaseOver ??= new AbortController();
  return active.phaseOver.signal;
}

/** Ends the work of the phase that the task has left. */
export function endPhase(active: ActiveTask): void {
  active.phaseOver?.abort();
  active.phaseOver = undefined;
}

/** Resolves after `ms` milliseconds, or as soon as the task is woken. */
export function sleep(active: ActiveTask, timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      active.wake = undefined;
      resolve();
    };
    const cancel = timers.after(ms, end);
    active.wake = end;
  });
}

/** The upstream is done with the task, or this node is: its place is free, and its polls make room for others. Does nothing the second time. */
export function leaveUpstream(active: ActiveTask): void {
  active.place?.limiter.release(active.task.id);
  active.place = undefined;
  active.tracked?.leave?.();
  active.tracked = undefined;
}
