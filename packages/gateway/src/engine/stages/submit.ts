import type { AccountState } from '../../limits/account.ts';
import {
  type FindOutcome,
  type Job,
  type Provider,
  SendRefused,
  type Started,
  type UnknownSubmission,
  UpstreamError,
} from '../../providers/provider.ts';
import { SETTLED_MS } from '../../providers/search/judge.ts';
import { newId } from '../../tasks/ids.ts';
import { type Event, move } from '../../tasks/lifecycle.ts';
import { promptKey } from '../../tasks/likeness.ts';
import { taskError } from '../../tasks/reasons.ts';
import type { Attempt, Task } from '../../tasks/task.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import { type ActiveTask, type ActiveTasks, releaseSlot, UpstreamIdTaken } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import { createDuplicateGuard } from '../recovery/duplicateGuard.ts';
import { createRemoteDuplicateGuard } from '../recovery/remoteDuplicateGuard.ts';

/** Submits admitted tasks upstream: stores the intent, calls the provider, stores the upstream id. */
export interface Submission {
  submit(active: ActiveTask, account: AccountState): Promise<void>;
  /**
   * Resolves a submission whose outcome is unknown, without repeating it blindly. `adopted`: another process made it, which may
   * still be alive and waiting for the response.
   */
  reconcile(active: ActiveTask, account: AccountState, how?: { readonly adopted?: boolean }): Promise<void>;
  /** Stops searching for lost submissions; the next start continues. */
  stop(): void;
}

interface SubmissionParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  /** Called when the upstream has accepted the task: it is polled from now on. */
  readonly running: (active: ActiveTask) => void;
  /** Called when the upstream does not have the task: it goes back to the queue. */
  readonly waiting: (active: ActiveTask) => void;
}

type SubmitConfirmed = Extract<Event, { type: 'submit_confirmed' }>;

/** Tries to store an upstream id that only this node knows, and the delay after a failed one (milliseconds): half an hour in total. */
const CONFIRM_TRIES = 1800;
const CONFIRM_AGAIN_MS = 1000;
/** Delay before a node that could not send tries again; enough to notice that its lease is lost. Milliseconds. */
const NOT_SENT_MS = 1000;
/** Delay after a failure of this gateway itself, doubling up to the maximum. Milliseconds. */
const INTERNAL_RETRY_MS = 1000;
const MAX_INTERNAL_RETRY_MS = 120_000;
/** Delays between searches for a lost submission: an upstream's list may lag behind. Milliseconds. */
const LOOK_AGAIN_MS = [0, 2_000, 5_000, 15_000, 30_000, 60_000];

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: the duplicate guards and the abort signal that every step of a submission uses
export function createSubmission(parts: SubmissionParts): Submission {
  const { activeTasks, store, cluster, feed, settings, clock, timers, log } = parts;
  const stopping = new AbortController();
  const duplicates = createDuplicateGuard();
  const remoteDuplicates = createRemoteDuplicateGuard(parts);

  async function submit(active: ActiveTask, account: AccountState): Promise<void> {
    active.slot = account;
    const upstreamModel = parts.upstreamModel(account.account, active.task);
    // Read before the intent is stored: a search finds jobs younger than this time, not older ones.
    const intendedThereAt = await account.account.provider.upstreamTime?.();
    if (stopping.signal.aborted) {
      // A drain waits for submissions, so none is begun any more. The stored task waits for its next driver.
      account.cancelStart();
      releaseSlot(active);
      return;
    }
    const madeAt = timers.monotonic();
    const intent = {
      type: 'submit_intended',
      accountId: account.account.id,
      idempotencyKey: newId(),
      upstreamModel,
      ...(intendedThereAt === undefined ? {} : { intendedThereAt: Math.floor(intendedThereAt) }),
    } as const;
    const intended = await activeTasks.apply(active, intent, { retryUntilWritten: true });
    if (!intended?.attempt) {
      // The task was cancelled or has expired since it was admitted.
      account.cancelStart();
      releaseSlot(active);
      return;
    }

    const job = jobOf(intended, intended.attempt, parts);
    // If this process was paused or lost its lease, another node may drive the task, have found no job, and be submitting it
    // itself.
    const maySend = () => cluster.hasLease() && activeTasks.drives(active);
    const failure = await duplicates.submitting(likenessOf(active), async () => {
      if (!maySend()) return new SendRefused();
      let started: Started;
      try {
        const signal = AbortSignal.timeout(settings.callTimeoutMs);
        started = await account.account.provider.start(job, { signal, maySend });
      } catch (error) {
        return asUpstreamError(error);
      }
      account.worked();
      try {
        await confirm(active, started.upstreamId, started.state === 'in_progress', true);
      } catch (error) {
        if (!(error instanceof UpstreamIdTaken)) throw error;
        await refuseReused(active, started.upstreamId);
      }
      return undefined;
    });
    if (failure) await notStarted(active, account, failure, madeAt);
  }

  async function notStarted(
    active: ActiveTask,
    account: AccountState,
    failure: UpstreamError,
    madeAt: Moment,
  ): Promise<void> {
    const { reason, created, detail } = failure;
    log.warn(
      {
        event: 'upstream.submit_failed',
        task: active.task.id,
        account: account.account.id,
        reason,
        created,
        detail,
        err: failure,
      },
      'submitting upstream failed',
    );
    if (failure instanceof SendRefused) {
      // Nothing was sent, so this says nothing about the upstream.
      account.cancelStart();
      await notSent(active, failure);
    } else if (created === 'unknown' && !activeTasks.drives(active)) {
      // The next driver searches for the job.
      account.cancelStart();
    } else if (created === 'unknown') {
      account.backOff(failure);
      await reconcile(active, account, { madeAt });
    } else {
      // A refusal of this request says nothing about the account.
      if (failure.ours === 'inputs') account.cancelStart();
      else if (failure.retry === 'never') account.worked();
      else account.backOff(failure);
      await refused(active, failure);
    }
  }

  /**
   * This node was temporarily not allowed to send. If another node drives the task by now, that node goes on. Otherwise the task
   * goes back to the queue, and the try does not count as an attempt.
   */
  async function notSent(active: ActiveTask, { detail = '' }: SendRefused): Promise<void> {
    await pause(timers, NOT_SENT_MS, stopping.signal);
    if (!activeTasks.drives(active)) return;
    const waiting = await activeTasks.apply(
      active,
      { type: 'submit_refused', detail },
      { retryUntilWritten: true },
    );
    if (active.task.phase !== 'running') releaseSlot(active);
    if (waiting) parts.waiting(active);
  }

  /** Fails the task: if two tasks shared a job, one of them would get the video of the other's prompt. */
  async function refuseReused(active: ActiveTask, upstreamId: string): Promise<void> {
    const { id: task, attempt } = active.task;
    log.error(
      { event: 'upstream.id_reused', task, account: attempt?.accountId, upstreamId },
      'the upstream answered a submission with the id of a job that another attempt has; the task fails',
    );
    const message =
      'The upstream provider answered with the id of another task, so that the two cannot be told apart. ' +
      'Nothing is charged; submit a new task if you want another try.';
    await activeTasks.apply(
      active,
      {
        type: 'failed',
        error: taskError('submission_unknown', message),
        outcome: 'unknown',
        detail: `answered with the id of another job: ${upstreamId}`,
      },
      { retryUntilWritten: true, only: 'submitting' },
    );
  }

  async function confirm(
    active: ActiveTask,
    upstreamId: string,
    working: boolean,
    claim = false,
  ): Promise<void> {
    const { task } = active;
    const event = { type: 'submit_confirmed', upstreamId, working } as const;
    await activeTasks.apply(active, event, { retryUntilWritten: true, claim });
    if (!activeTasks.drives(active)) await confirmForOwner(task, event);
    // Also true if another node that knew the id has stored it.
    else if (active.task.phase === 'running') parts.running(active);
  }

  /**
   * Stores the upstream id for the node that drives the task now. This node lost its lease during the call and is the only one
   * that knows the id; without it the driver would have to search for the job, or give up.
   */
  async function confirmForOwner(submitted: Task, event: SubmitConfirmed): Promise<void> {
    const about = { task: submitted.id, upstreamId: event.upstreamId };
    // Whether work has started is left to the driver, which may still report an earlier state to clients.
    const confirmed = { ...event, working: false };
    for (let tries = 0; tries < CONFIRM_TRIES && !(tries > 0 && stopping.signal.aborted); tries++) {
      try {
        const stored = await store.task(submitted.id);
        const waits = stored?.phase === 'submitting' && stored.attempt?.number === submitted.attempt?.number;
        if (!stored || !waits) {
          if (stored?.attempt?.upstreamId === event.upstreamId) return;
          log.error(
            { event: 'upstream.job_abandoned', ...about },
            'the upstream accepted a task that had ended meanwhile; it may bill a job that nobody follows',
          );
          return;
        }
        const next = move(stored, confirmed, clock.now());
        const outcome = next ? await store.claim(next) : 'lost';
        if (outcome === 'taken') {
          log.error(
            { event: 'upstream.job_taken', ...about },
            'upstream job already belongs to another task',
          );
          return;
        }
        if (!next || outcome === 'lost') continue;
        log.info(
          { event: 'task.confirmed_late', ...about },
          'recorded the upstream id of a task for the node that drives it now',
        );
        feed.publish({ task: next.task, transition: true });
        return;
      } catch (error) {
        log.warn(
          { event: 'task.confirm_failed', ...about, err: error },
          'cannot record the upstream id of a task; retrying',
        );
        await pause(timers, CONFIRM_AGAIN_MS, stopping.signal);
      }
    }
  }

  /**
   * The job was certainly not created. A problem of the account (credential, balance) says nothing about the task: tasks wait until
   * the account works again or they expire, or they go to another account.
   */
  async function refused(active: ActiveTask, failure: UpstreamError, last = false): Promise<void> {
    const detail = failure.detail ?? failure.message;
    if (failure.ours) return retryLater(active, detail);
    if (failure.retry === 'later') active.refusals += 1;
    if (failure.retry === 'never' || last || active.refusals >= settings.maxAttempts) {
      const error = taskError(failure.reason, failure.message);
      await activeTasks.apply(
        active,
        { type: 'failed', error, outcome: 'refused', detail },
        { retryUntilWritten: true },
      );
      return;
    }
    const waiting = await activeTasks.apply(
      active,
      { type: 'submit_refused', detail },
      { retryUntilWritten: true },
    );
    // The task is running if another node meanwhile stored the id of its job.
    if (active.task.phase !== 'running') releaseSlot(active);
    if (waiting) parts.waiting(active);
  }

  /** A failure of this gateway says nothing about the task: it is retried until its deadline. */
  async function retryLater(active: ActiveTask, detail: string): Promise<void> {
    const waiting = await activeTasks.apply(
      active,
      { type: 'submit_refused', detail },
      { retryUntilWritten: true },
    );
    if (active.task.phase !== 'running') releaseSlot(active);
    if (!waiting) return;
    const wait = Math.min(
      MAX_INTERNAL_RETRY_MS,
      INTERNAL_RETRY_MS * 2 ** Math.min(active.internalFailures, 10),
    );
    active.internalFailures += 1;
    const left = active.task.deadlineAt - clock.now();
    await pause(timers, Math.max(0, Math.min(wait, left)), stopping.signal);
    // Meanwhile the task was cancelled or transferred, or the gateway is stopping.
    if (stopping.signal.aborted || !activeTasks.drives(active) || active.task.phase !== 'accepted') return;
    parts.waiting(active);
  }

  /** Searches once. A found id is stored before a duplicate submission can be mistaken for the job. */
  function searchOnce(active: ActiveTask, lost: UnknownSubmission, provider: Provider): Promise<FindOutcome> {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    return duplicates.searching(likenessOf(active), async () => {
      const outcome = (await provider.find?.(lost, AbortSignal.timeout(settings.callTimeoutMs))) ?? unknown;
      if (!outcome.found) return outcome;
      // The job may belong to an identical task that lost its response too, while this task's own request may still arrive.
      const mayBeAnothers = !outcome.isCertain && lost.sinceGivenUp() < SETTLED_MS;
      if (mayBeAnothers && (await store.submittingLike(active.task)).length > 0) return unknown;
      // Checked again for submissions of other nodes since the search began: their intents are stored before their jobs can be found.
      if (!(await remoteDuplicates.absent(active.task, stopping.signal))) return unknown;
      try {
        await confirm(active, outcome.upstreamId, false, true);
      } catch (error) {
        // The job belongs to another task, whose id was stored after the search.
        if (error instanceof UpstreamIdTaken) return unknown;
        throw error;
      }
      return outcome;
    });
  }

  /** Searches repeatedly, and stores the id of a job that is found. Undefined if the gateway stops first. */
  async function findJob(active: ActiveTask, lost: UnknownSubmission, { account }: AccountState) {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    const { provider } = account;
    let searches = 0;
    for (let delayIndex = 0; provider.find && searches < LOOK_AGAIN_MS.length; delayIndex++) {
      const wait = LOOK_AGAIN_MS[Math.min(delayIndex, LOOK_AGAIN_MS.length - 1)] ?? 0;
      if (wait > 0) await pause(timers, wait, stopping.signal);
      if (stopping.signal.aborted || !searching(active)) return undefined;
      try {
        const absent = await remoteDuplicates.absent(active.task, stopping.signal);
        if (stopping.signal.aborted || !searching(active)) return undefined;
        if (!absent) return unknown;
        const outcome = await searchOnce(active, lost, provider);
        if (stopping.signal.aborted && !outcome.found) return undefined;
        if (outcome.found || outcome.certainty === 'absent') return outcome;
        searches += 1;
      } catch (error) {
        log.warn(
          { event: 'upstream.find_failed', task: lost.taskId, account: account.id, err: error },
          'searching for a lost submission failed',
        );
        // An error says nothing about the submission: it is retried until the task's deadline.
        if (timers.monotonic() > active.deadline) return unknown;
      }
    }
    return unknown;
  }

  /** False once another node has stored the id or drives the task. */
  const searching = (active: ActiveTask): boolean =>
    activeTasks.drives(active) && active.task.phase === 'submitting';

  async function reconcile(
    active: ActiveTask,
    account: AccountState,
    { adopted = false, madeAt }: { adopted?: boolean; madeAt?: Moment } = {},
  ): Promise<void> {
    const { attempt, id } = active.task;
    if (!attempt) throw new Error(`task ${id} is ${active.task.phase} without an attempt`);
    const givenUpAt = timers.monotonic();
    const asked = parts.upstreamRequest(active.task);
    const lost: UnknownSubmission = {
      taskId: id,
      idempotencyKey: attempt.idempotencyKey,
      upstreamModel: attempt.upstreamModel,
      request: asked ?? active.task.request,
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
      sinceGivenUp: () => msBetween(givenUpAt, timers.monotonic()),
      isKnown: (upstreamId) => parts.store.isKnownUpstream(attempt.accountId, upstreamId),
    };
    if (adopted && cluster.shared && !account.account.provider.find) {
      // The upstream has no search, but the node that submitted it may be alive and store the id when it gets it.
      await pause(timers, settings.callTimeoutMs + CONFIRM_AGAIN_MS, stopping.signal);
      if (stopping.signal.aborted || !searching(active)) return;
    }
    const outcome = await findJob(active, lost, account);
    if (!outcome || outcome.found) return;
    // Without its model the exact request is unknown, so a job that was not found may still exist.
    if (outcome.certainty === 'absent' && asked) {
      return refused(
        active,
        new UpstreamError('upstream_unavailable', { created: 'no', detail: 'not found upstream' }),
      );
    }

    const message =
      'The answer to the submission was lost and the upstream cannot tell whether it was received. ' +
      'It was not repeated, so that it cannot be billed twice; submit a new task if you want another try.';
    if (settings.resubmitUnknown) {
      log.warn(
        { event: 'upstream.resubmitted', task: id, account: account.account.id },
        'submitting again after an unknown outcome, as configured',
      );
      await refused(
        active,
        new UpstreamError('upstream_unavailable', { created: 'no', detail: 'unknown outcome, resubmitted' }),
        // Counted across restarts, because each attempt may have been billed.
        attempt.number - active.internalFailures >= settings.maxAttempts,
      );
      return;
    }
    await activeTasks.apply(
      active,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      // The node that submitted it may have stored the id in the meantime.
      { retryUntilWritten: true, only: 'submitting' },
    );
  }

  return { submit, reconcile, stop: () => stopping.abort() };
}

/** The job that an attempt submits upstream. */
export function jobOf(
  task: Task,
  { number, idempotencyKey, upstreamModel }: Attempt,
  { upstreamRequest, openInput }: Pick<EngineParts, 'upstreamRequest' | 'openInput'>,
): Job {
  const request = upstreamRequest(task) ?? task.request;
  return { taskId: task.id, attempt: number, idempotencyKey, upstreamModel, request, openInput };
}

/** The key by which a lost submission is searched: two tasks with the same key cannot be told apart in a list. */
const likenessOf = ({ task }: ActiveTask): string =>
  JSON.stringify([task.attempt?.accountId, task.attempt?.upstreamModel, promptKey(task.request.prompt)]);

/** Any other error than an `UpstreamError` is a bug in the adapter or a lost connection: the outcome is unknown. */
export function asUpstreamError(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  const timedOut = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  return new UpstreamError(timedOut ? 'upstream_timeout' : 'upstream_unavailable', {
    created: 'unknown',
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
