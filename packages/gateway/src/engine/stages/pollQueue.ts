import type { Answer } from '../../providers/provider.ts';
import { jobStartedAt } from '../../tasks/task.ts';
import { LONG_AGO, type Moment, msBetween } from '../../time/clock.ts';
import type { ActiveTask } from '../activeTask.ts';
import { urgencyOf } from '../tracking/trackedJob.ts';

/** The tasks of one account that wait for polls. */
export interface PollQueue {
  /** The task waits from now on, until `leave`. */
  wait(active: ActiveTask): void;
  leave(active: ActiveTask): void;
  /** The task's poll is due. */
  due(active: ActiveTask, now: Moment): void;
  /** How many requests the polls that are due take. */
  requests(): number;
  /** Takes out the tasks that the next request is about. One is polled alone, several in a batch. */
  next(now: Moment): readonly ActiveTask[];
  /** Puts the tasks of a batch back of which it brought no answer, and tells who gets which of the answers. */
  share(batch: readonly ActiveTask[], answers: ReadonlyMap<string, Answer>, now: Moment): Shared;
}

export interface Shared {
  readonly told: readonly (readonly [ActiveTask, Answer])[];
  /** How many tasks of the batch have to be polled alone. */
  readonly alone: number;
}

/** So many tasks that are due are ranked anew whenever another one is, and more of them once in so many milliseconds: 100,000 take 30 ms. */
const RANKED_AT_ONCE = 1000;
const RANKED_AGAIN_MS = 1000;
/** So many tasks that have been due for long are weighed anew at a time, which takes about 2 ms, and more of them after so many milliseconds. */
const WEIGHED_AT_ONCE = 100;
const WEIGHED_AGAIN_MS = 200;

/** How many batches may leave a job out before it is polled alone, if the provider does not choose. */
const MOST_LEFT_OUT = 3;
/** The provider chooses from so many times the jobs of a request. From fewer, it misses parts of a list that together are more overdue. */
const CHOICE = 3;

/** Chooses those of the tasks, the most urgent first, that one request is best about. */
export type ChooseTasks = (candidates: readonly ActiveTask[]) => readonly ActiveTask[];

export interface PollQueueOptions {
  /** The jobs that one request can be about. */
  readonly most: number;
  /** If it cannot be about any of them. */
  readonly choose?: ChooseTasks | undefined;
  /** Weighs a task anew that has been due for long. Returns whether it did. */
  weighAgain(active: ActiveTask): boolean;
}

export function createPollQueue({ most, choose, weighAgain }: PollQueueOptions): PollQueue {
  const due = new Set<ActiveTask>();
  /** How often batches have left a task out. */
  const leftOut = new Map<ActiveTask, number>();
  /** Tasks that are due and that batches do not help. */
  const alone = new Set<ActiveTask>();
  /** Those of the tasks that are due that a callback or an operator has asked for, in this order. */
  const asked = new Set<ActiveTask>();
  /** Empty if no request is about several jobs. */
  const byUpstreamId = new Map<string, ActiveTask>();
  /** The most urgent tasks of those that were due at `rankedAt`, the most urgent one last. Some may have left since. */
  let ranked: ActiveTask[] = [];
  let rankedAt: Moment = LONG_AGO;
  let hasMore = false;
  let weighedAt: Moment = LONG_AGO;
  /** The place of the last task that was looked at, to weigh it anew. */
  let weighedTo = 0;

  function becomesDue(active: ActiveTask, now: Moment): void {
    due.add(active);
    if (urgencyOf(active.tracked, now) === Number.POSITIVE_INFINITY) asked.add(active);
    else hasMore = true;
  }

  function takeOut(active: ActiveTask): void {
    for (const set of [due, asked, alone]) set.delete(active);
  }

  /** The most urgent of the tasks that are due, the most urgent first. */
  function mostUrgent(count: number, now: Moment): ActiveTask[] {
    if (msBetween(weighedAt, now) >= WEIGHED_AGAIN_MS) weighSome(now);
    const mayRank = due.size <= RANKED_AT_ONCE || msBetween(rankedAt, now) >= RANKED_AGAIN_MS;
    if (hasMore && mayRank) rank(now);
    const found = firstRanked(count);
    if (found.length >= Math.min(count, due.size)) return found;
    rank(now);
    return firstRanked(count);
  }

  function firstRanked(count: number): ActiveTask[] {
    const found = new Set(asked);
    for (let index = ranked.length - 1; index >= 0 && found.size < count; index--) {
      const active = ranked[index];
      if (active && due.has(active)) found.add(active);
    }
    return [...found].slice(0, count);
  }

  /** Goes on where it stopped the last time, so that it comes to each task. */
  function weighSome(now: Moment): void {
    weighedAt = now;
    const all = [...due];
    let weighed = 0;
    for (let seen = 0; seen < all.length && weighed < WEIGHED_AT_ONCE; seen++) {
      weighedTo = (weighedTo + 1) % all.length;
      const active = all[weighedTo];
      if (active && weighAgain(active)) weighed += 1;
    }
  }

  function rank(now: Moment): void {
    ranked = byUrgency(due, now);
    rankedAt = now;
    hasMore = false;
  }

  return {
    wait(active) {
      const { upstreamId } = active.task.attempt ?? {};
      if (most > 1 && upstreamId !== undefined) byUpstreamId.set(upstreamId, active);
    },
    leave(active) {
      takeOut(active);
      leftOut.delete(active);
      byUpstreamId.delete(active.task.attempt?.upstreamId ?? '');
    },
    due: becomesDue,
    requests: () => Math.ceil(due.size / most) + alone.size,

    next(now) {
      const [single] = alone;
      if (single) {
        takeOut(single);
        return [single];
      }
      const urgent = mostUrgent(choose ? CHOICE * most : most, now);
      const batch = choose && urgent.length > 1 ? choose(urgent) : urgent;
      for (const active of batch) takeOut(active);
      return batch;
    },

    /**
     * What a batch leaves out is due again at once, which is no failure: in another batch, and after some of them alone. So is a job about which
     * a batch says less than is known. Answers about jobs that were not asked about save their next poll.
     */
    share(batch, answers, now) {
      const told: [ActiveTask, Answer][] = [];
      let unhelped = 0;
      for (const active of batch) {
        const answer = answers.get(active.task.attempt?.upstreamId ?? '');
        const times = (leftOut.get(active) ?? 0) + 1;
        if (answer && !saysLess(answer, active)) told.push([active, answer]);
        else if (answer || (!choose && times >= MOST_LEFT_OUT)) {
          unhelped += 1;
          alone.add(active);
        } else {
          leftOut.set(active, times);
          becomesDue(active, now);
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

/** The tasks of which a poll ends the longest expected delay, with the longest last. */
function byUrgency(due: Iterable<ActiveTask>, now: Moment): ActiveTask[] {
  const all = Array.from(due, (active) => ({ active, urgency: urgencyOf(active.tracked, now) }));
  const least = Float64Array.from(all, ({ urgency }) => urgency)
    .sort()
    .at(-RANKED_AT_ONCE);
  return all
    .filter(({ urgency }) => urgency >= (least ?? 0))
    .reverse()
    .sort((a, b) => a.urgency - b.urgency)
    .map(({ active }) => active);
}

/** Whether the answer is older than what is known already: a list may lag behind the polls of single jobs. */
function saysLess(answer: Answer, { task, tracked }: ActiveTask): boolean {
  if (answer.state === 'queued' && jobStartedAt(task) !== undefined) return true;
  return 'progress' in answer && (answer.progress ?? 100) < (tracked?.progress ?? 0);
}
