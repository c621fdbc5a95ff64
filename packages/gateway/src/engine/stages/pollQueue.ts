import type { Answer } from '../../providers/provider.ts';
import type { Moment } from '../../time/clock.ts';
import type { ActiveTask } from '../activeTask.ts';
import { urgencyOf } from '../tracking/trackedJob.ts';

/** The tasks of one account that wait for polls. */
export interface PollQueue {
  /** The task waits from now on, until `leave`. */
  wait(active: ActiveTask): void;
  leave(active: ActiveTask): void;
  /** The task's poll is due. */
  due(active: ActiveTask): void;
  /** How many requests the polls that are due take. */
  requests(): number;
  /** Takes out the tasks that the next request is about. One is polled alone, several in a batch. */
  next(now: Moment): readonly ActiveTask[];
  /** Puts the tasks of a batch back of which it brought no answer, and tells who gets which of the answers. */
  share(batch: readonly ActiveTask[], answers: ReadonlyMap<string, Answer>): Shared;
}

export interface Shared {
  readonly told: readonly (readonly [ActiveTask, Answer])[];
  /** How many tasks of the batch have to be polled alone. */
  readonly alone: number;
}

/** Polls that are due at one moment are more than fit into a request only after a restart, or while the account is paused. */
const LOOKED_THROUGH = 2000;

/** How many batches may leave a job out before it is polled alone: a list has it on another page. */
const MOST_LEFT_OUT = 3;

/** `most`: the jobs that one request can be about. */
export function createPollQueue(most: number): PollQueue {
  const due = new Set<ActiveTask>();
  /** How often batches have left a task out. */
  const leftOut = new Map<ActiveTask, number>();
  /** Tasks that are due and that batches do not help. */
  const alone = new Set<ActiveTask>();
  /** Empty if no request is about several jobs. */
  const byUpstreamId = new Map<string, ActiveTask>();

  return {
    wait(active) {
      const { upstreamId } = active.task.attempt ?? {};
      if (most > 1 && upstreamId !== undefined) byUpstreamId.set(upstreamId, active);
    },
    leave(active) {
      due.delete(active);
      leftOut.delete(active);
      alone.delete(active);
      byUpstreamId.delete(active.task.attempt?.upstreamId ?? '');
    },
    due: (active) => void due.add(active),
    requests: () => Math.ceil(due.size / most) + alone.size,

    next(now) {
      const [single] = alone;
      const batch = single ? [single] : mostUrgent(due, most, now);
      for (const active of batch) {
        due.delete(active);
        alone.delete(active);
      }
      return batch;
    },

    /**
     * What a batch leaves out is due again at once, which is no failure: in another batch, and after some of them alone. So is a job about which
     * a batch says less than is known. Answers about jobs that were not asked about save their next poll.
     */
    share(batch, answers) {
      const told: [ActiveTask, Answer][] = [];
      let unhelped = 0;
      for (const active of batch) {
        const answer = answers.get(active.task.attempt?.upstreamId ?? '');
        const times = (leftOut.get(active) ?? 0) + 1;
        if (answer && !saysLess(answer, active)) told.push([active, answer]);
        else if (answer || times >= MOST_LEFT_OUT) {
          unhelped += 1;
          alone.add(active);
        } else {
          leftOut.set(active, times);
          due.add(active);
        }
      }
      const asked = new Set(batch);
      for (const [upstreamId, answer] of answers) {
        const active = byUpstreamId.get(upstreamId);
        if (!active || asked.has(active) || saysLess(answer, active)) continue;
        // A task whose poll is in flight gets the answer to that.
        if (active.dueAt !== undefined || due.has(active)) told.push([active, answer]);
      }
      return { told, alone: unhelped };
    },
  };
}

/** Up to `most` of the tasks that are due, those first of which a poll ends the longest expected delay. */
function mostUrgent(due: ReadonlySet<ActiveTask>, most: number, now: Moment): readonly ActiveTask[] {
  if (due.size <= most) return [...due];
  const longest = due.values().take(Math.max(most, LOOKED_THROUGH)).toArray();
  const urgency = new Map(longest.map((active) => [active, urgencyOf(active.tracked, now)]));
  return longest.sort((a, b) => (urgency.get(b) ?? 0) - (urgency.get(a) ?? 0)).slice(0, most);
}

/** Whether the answer is older than what is known already: a list may lag behind the polls of single jobs. */
function saysLess(answer: Answer, { task, tracked }: ActiveTask): boolean {
  if (answer.state === 'queued' && task.startedAt !== undefined) return true;
  return 'progress' in answer && (answer.progress ?? 100) < (tracked?.progress ?? 0);
}
