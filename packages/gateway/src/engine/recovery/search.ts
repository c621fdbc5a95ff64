import type { Account } from '../../providers/account.ts';
import type { FindOutcome, MadeJob, Provider, UnknownSubmission } from '../../providers/provider.ts';
import { SETTLED_MS } from '../../providers/search/judge.ts';
import type { Attempt } from '../../tasks/task.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import { type ActiveTask, phaseSignal } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import { UpstreamIdTaken } from '../transitions.ts';
import { CONFIRM_AGAIN_MS, type Confirm } from './confirm.ts';
import { createRemoteDuplicateGuard, type DuplicateGuard, likenessOf } from './duplicateGuard.ts';

/** A submission of this process. */
export interface Sent {
  /** When its intent was made. */
  readonly madeAt: Moment;
  /** The outcome of its call, if it has not ended: until then, the upstream may still get it. */
  readonly late?: Promise<unknown> | undefined;
}

/** Finds out what became of a submission whose outcome is unknown. */
export interface SubmissionSearch {
  /**
   * Searches repeatedly, and stores the id of a job that is found. `sent` is undefined if another process made the submission, which
   * may still be alive and waiting for the response. Resolves with undefined if the search ended early: the id was stored by others, or
   * late; another node drives the task; or the gateway stops.
   */
  find(active: ActiveTask, account: Account, sent?: Sent): Promise<FindOutcome | undefined>;
}

interface SearchParts
  extends Pick<
    EngineParts,
    'store' | 'cluster' | 'upstreamRequest' | 'settings' | 'clock' | 'timers' | 'log'
  > {
  readonly activeTasks: ActiveTasks;
  readonly duplicates: DuplicateGuard;
  readonly confirm: Confirm;
  readonly stopping: AbortSignal;
}

/** Delays between searches for a lost submission: an upstream's list may lag behind. Milliseconds. */
const LOOK_AGAIN_MS = [0, 2_000, 5_000, 15_000, 30_000, 60_000];

/** Jobs whose making may show what a search can find. */
const MOST_EARLIER = 50;

const UNKNOWN: FindOutcome = { found: false, certainty: 'unknown' };

export function createSubmissionSearch(parts: SearchParts): SubmissionSearch {
  const { activeTasks, duplicates, confirm, store, cluster, settings, clock, timers, log } = parts;
  const remoteDuplicates = createRemoteDuplicateGuard(parts);

  async function madeLike(attempt: Attempt, findVersion: string): Promise<readonly MadeJob[]> {
    const tasks = await store.submittedLike({ ...attempt, findVersion }, MOST_EARLIER);
    return tasks.flatMap((task) => {
      const { upstreamId, idempotencyKey, upstreamModel } = task.attempt ?? {};
      if (upstreamId === undefined || idempotencyKey === undefined || upstreamModel === undefined) return [];
      const request = parts.upstreamRequest(task) ?? task.request;
      return [{ upstreamId, idempotencyKey, upstreamModel, request }];
    });
  }

  function lostOf(
    { task }: ActiveTask,
    { provider: { findVersion } }: Account,
    { madeAt, late }: Partial<Sent>,
  ): UnknownSubmission {
    const { attempt, id } = task;
    if (!attempt) throw new Error(`task ${id} is ${task.phase} without an attempt`);
    let givenUpAt = late ? undefined : timers.monotonic();
    const ended = () => {
      givenUpAt = timers.monotonic();
    };
    late?.then(ended, ended);
    return {
      taskId: id,
      idempotencyKey: attempt.idempotencyKey,
      upstreamModel: attempt.upstreamModel,
      request: parts.upstreamRequest(task) ?? task.request,
      intendedAt: attempt.intendedAt,
      ...(attempt.intendedThereAt === undefined ? {} : { intendedThereAt: attempt.intendedThereAt }),
      // The monotonic clock may stop during a suspension and the wall clock may be set: the larger value is safe.
      ...(madeAt === undefined
        ? {}
        : {
            sinceIntent: () =>
              Math.max(msBetween(madeAt, timers.monotonic()), clock.now() - attempt.intendedAt),
          }),
      // After a restart, the process that submitted has certainly ended.
      sinceGivenUp: () => (givenUpAt === undefined ? -1 : msBetween(givenUpAt, timers.monotonic())),
      isKnown: (upstreamId) => store.isKnownUpstream(attempt.accountId, upstreamId),
      ...(findVersion === undefined || findVersion !== attempt.findVersion
        ? {}
        : { earlier: () => madeLike(attempt, findVersion) }),
    };
  }

  /** Searches once. A found id is stored before a duplicate submission can be mistaken for the job. */
  function searchOnce(
    active: ActiveTask,
    lost: UnknownSubmission,
    provider: Provider,
    signal: AbortSignal,
  ): Promise<FindOutcome> {
    const attempt = active.task.attempt?.number ?? 0;
    return duplicates.searching(likenessOf(active.task), async () => {
      const outcome = (await provider.find?.(lost, AbortSignal.timeout(settings.callTimeoutMs))) ?? UNKNOWN;
      if (!outcome.found) return outcome;
      // The job may belong to an identical task that lost its response too, while this task's own request may still arrive.
      const mayBeAnothers = !outcome.isCertain && lost.sinceGivenUp() < SETTLED_MS;
      if (mayBeAnothers && (await store.submittingLike(active.task)).length > 0) return UNKNOWN;
      // Checked again for submissions of other nodes since the search began: their intents are stored before their jobs can be found.
      if (!(await remoteDuplicates.absent(active.task, signal))) return UNKNOWN;
      try {
        await confirm(active, attempt, outcome.upstreamId, false);
      } catch (error) {
        // The job belongs to another task, whose id was stored after the search.
        if (error instanceof UpstreamIdTaken) return UNKNOWN;
        throw error;
      }
      return outcome;
    });
  }

  async function searchAll(
    active: ActiveTask,
    lost: UnknownSubmission,
    { provider, member }: Account,
    signal: AbortSignal,
  ): Promise<FindOutcome | undefined> {
    // A server that fails for as long as its fleet waits has lost the job, if it had it.
    const patienceMs = member?.lostAfterMs ?? Number.POSITIVE_INFINITY;
    const began = timers.monotonic();
    let searches = 0;
    for (let delayIndex = 0; searches < LOOK_AGAIN_MS.length; delayIndex++) {
      const wait = LOOK_AGAIN_MS[Math.min(delayIndex, LOOK_AGAIN_MS.length - 1)] ?? 0;
      if (wait > 0) await pause(timers, wait, signal);
      if (signal.aborted) return undefined;
      try {
        const absent = await remoteDuplicates.absent(active.task, signal);
        if (signal.aborted) return undefined;
        if (!absent) return UNKNOWN;
        const outcome = await searchOnce(active, lost, provider, signal);
        if (outcome.found) return outcome;
        if (signal.aborted) return undefined;
        // A call that has not ended may still create the job.
        if (outcome.certainty === 'absent' && lost.sinceGivenUp() >= 0) return outcome;
        searches += 1;
      } catch (error) {
        log.warn(
          {
            event: 'upstream.find_failed',
            task: lost.taskId,
            account: active.task.attempt?.accountId,
            err: error,
          },
          'searching for a lost submission failed',
        );
        // An error says nothing about the submission: it is retried until the task's deadline, or as long as its fleet waits.
        const now = timers.monotonic();
        if (now > active.deadline || msBetween(began, now) >= patienceMs) return UNKNOWN;
      }
    }
    return UNKNOWN;
  }

  return {
    async find(active, account, sent) {
      if (!activeTasks.drives(active)) return undefined;
      const lost = lostOf(active, account, sent ?? {});
      const signal = AbortSignal.any([parts.stopping, phaseSignal(active)]);
      if (account.provider.find) return searchAll(active, lost, account, signal);
      if (!sent && cluster.shared) {
        // The upstream has no search, but the node that submitted it may be alive and store the id when it gets it.
        await pause(timers, settings.callTimeoutMs + CONFIRM_AGAIN_MS, signal);
        if (signal.aborted) return undefined;
      }
      return UNKNOWN;
    },
  };
}
