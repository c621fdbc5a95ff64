import type { AccountState } from '../../limits/account.ts';
import { SETTLED_MS } from '../../providers/http/judge.ts';
import {
  type FindOutcome,
  type Job,
  type Provider,
  SendRefused,
  type Started,
  type UnknownSubmission,
  UpstreamError,
} from '../../providers/provider.ts';
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

/** Takes admitted tasks upstream: intent, call, id. */
export interface Submission {
  submit(active: ActiveTask, account: AccountState): Promise<void>;
  /**
   * Settles a submission whose outcome is unknown, without ever repeating it blindly. `adopted`: another process made it, which
   * may live, and still be waiting for the answer.
   */
  reconcile(active: ActiveTask, account: AccountState, how?: { readonly adopted?: boolean }): Promise<void>;
  /** Ends waits for a lost submission: the next start looks for it. */
  stop(): void;
}

interface SubmissionParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  /** The upstream has the task: track it. */
  readonly running: (active: ActiveTask) => void;
  /** The upstream does not have it: it waits for another turn. */
  readonly waiting: (active: ActiveTask) => void;
}

type SubmitConfirmed = Extract<Event, { type: 'submit_confirmed' }>;

/** Tries to write an id that this node alone knows, and the wait after one that failed, in milliseconds: half an hour in all. */
const CONFIRM_TRIES = 1800;
const CONFIRM_AGAIN_MS = 1000;
/** Until a node that could not send tries again, or has noticed that its lease is lost. Milliseconds. */
const NOT_SENT_MS = 1000;
/** Wait before another try after trouble of this gateway's own, doubling to the maximum. Milliseconds. */
const OURS_MS = 1000;
const MAX_OURS_MS = 120_000;
/** Waits between looks for a lost submission: an upstream's list may lag behind its own accepting. Milliseconds. */
const LOOK_AGAIN_MS = [0, 2_000, 5_000, 15_000, 30_000, 60_000];

export function createSubmission(parts: SubmissionParts): Submission {
  const { activeTasks, store, cluster, feed, settings, clock, timers, log } = parts;
  const stopping = new AbortController();
  const duplicates = createDuplicateGuard();
  const elsewhere = createRemoteDuplicateGuard(parts);

  async function submit(active: ActiveTask, account: AccountState): Promise<void> {
    active.slot = account;
    const upstreamModel = parts.upstreamModel(account.account, active.task);
    // Read before the intent: a job that seems too young is found, one that seems too old is not.
    const madeAt = timers.monotonic();
    const intendedThereAt = account.account.provider.upstreamTime?.();
    const intent = {
      type: 'submit_intended',
      accountId: account.account.id,
      idempotencyKey: newId(),
      upstreamModel,
      ...(intendedThereAt === undefined ? {} : { intendedThereAt: Math.floor(intendedThereAt) }),
    } as const;
    const intended = await activeTasks.apply(active, intent, { retryUntilWritten: true });
    if (!intended?.attempt) {
      // Cancelled or expired since its turn came.
      account.untried();
      releaseSlot(active);
      return;
    }

    const job = jobOf(intended, intended.attempt, parts);
    // After a pause of this process, or in another session, the task may be another node's, which has looked for a job in vain
    // and asks for one itself.
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
      // Nothing was sent, and nothing is known of the upstream by that.
      account.untried();
      await notSent(active, failure);
    } else if (created === 'unknown' && !activeTasks.drives(active)) {
      // Whatever became of it, its next driver looks for it.
      account.untried();
    } else if (created === 'unknown') {
      account.backOff(failure);
      await reconcile(active, account, { madeAt });
    } else {
      // A refusal of this very request says nothing against the account.
      if (failure.ours === 'inputs') account.untried();
      else if (failure.retry === 'never') account.worked();
      else account.backOff(failure);
      await refused(active, failure);
    }
  }

  /**
   * This node could not send for a moment. Where the task has another driver by now, that one goes on; where it is still this node's,
   * it waits for another turn, which is no attempt of the upstream's that could be the last.
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

  /** Two tasks driven by one job would both get its video, and one of them that of another's words. */
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
    // Or somebody else has confirmed it, who knew the id too.
    else if (active.task.phase === 'running') parts.running(active);
  }

  /**
   * This node's session was lost while the answer was on its way, and this node alone knows what it says. Whoever drives the
   * task by now would search for the job, or give it up: the id is written to the task, for its driver to find there.
   */
  async function confirmForOwner(submitted: Task, event: SubmitConfirmed): Promise<void> {
    const about = { task: submitted.id, upstreamId: event.upstreamId };
    // Whether it has begun is for the driver to say, who would answer with less until this is heard there.
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
   * Certainly not created upstream. A trouble of the account (its credential, its balance) says nothing about the task: all tasks
   * wait alike until the account works again or their deadline, or go to another account.
   */
  async function refused(active: ActiveTask, failure: UpstreamError, last = false): Promise<void> {
    const detail = failure.detail ?? failure.message;
    if (failure.ours) return tryLater(active, detail);
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
    // Unless the upstream has it after all, as somebody knew who told it meanwhile.
    if (active.task.phase !== 'running') releaseSlot(active);
    if (waiting) parts.waiting(active);
  }

  /** Trouble of our own is no verdict on the task: nothing but its deadline ends the tries. */
  async function tryLater(active: ActiveTask, detail: string): Promise<void> {
    const waiting = await activeTasks.apply(
      active,
      { type: 'submit_refused', detail },
      { retryUntilWritten: true },
    );
    if (active.task.phase !== 'running') releaseSlot(active);
    if (!waiting) return;
    const wait = Math.min(MAX_OURS_MS, OURS_MS * 2 ** Math.min(active.ownTries, 10));
    active.ownTries += 1;
    const left = active.task.deadlineAt - clock.now();
    await pause(timers, Math.max(0, Math.min(wait, left)), stopping.signal);
    // Cancelled, given to another node, or left for the next start meanwhile.
    if (stopping.signal.aborted || !activeTasks.drives(active) || active.task.phase !== 'accepted') return;
    parts.waiting(active);
  }

  /** One look, and the id made durable before any twin can be mistaken for the job. */
  function lookOnce(active: ActiveTask, lost: UnknownSubmission, provider: Provider): Promise<FindOutcome> {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    return duplicates.searching(likenessOf(active), async () => {
      const outcome = (await provider.find?.(lost, AbortSignal.timeout(settings.callTimeoutMs))) ?? unknown;
      if (!outcome.found) return outcome;
      // Another task that asks for the same may have lost this job, and would be submitted again, while the own request arrives yet.
      const mayBeAnothers = !outcome.isCertain && lost.sinceGivenUp() < SETTLED_MS;
      if (mayBeAnothers && (await store.submittingLike(active.task)).length > 0) return unknown;
      // Again, for one that was submitted elsewhere since: its intent was stored before the job could be found.
      if (!(await elsewhere.absent(active.task, stopping.signal))) return unknown;
      try {
        await confirm(active, outcome.upstreamId, false, true);
      } catch (error) {
        // Somebody else's after all: it was confirmed between the question and now.
        if (error instanceof UpstreamIdTaken) return unknown;
        throw error;
      }
      return outcome;
    });
  }

  /** Undefined where the gateway stops before the upstream has told. A job that is found is confirmed. */
  async function lookFor(active: ActiveTask, lost: UnknownSubmission, { account }: AccountState) {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    const { provider } = account;
    let told = 0;
    for (let look = 0; provider.find && told < LOOK_AGAIN_MS.length; look++) {
      const wait = LOOK_AGAIN_MS[Math.min(look, LOOK_AGAIN_MS.length - 1)] ?? 0;
      if (wait > 0) await pause(timers, wait, stopping.signal);
      if (stopping.signal.aborted || !searching(active)) return undefined;
      try {
        const absent = await elsewhere.absent(active.task, stopping.signal);
        if (stopping.signal.aborted || !searching(active)) return undefined;
        if (!absent) return unknown;
        const outcome = await lookOnce(active, lost, provider);
        if (stopping.signal.aborted && !outcome.found) return undefined;
        if (outcome.found || outcome.certainty === 'absent') return outcome;
        told += 1;
      } catch (error) {
        log.warn(
          { event: 'upstream.find_failed', task: lost.taskId, account: account.id, err: error },
          'searching for a lost submission failed',
        );
        // An error says nothing about the submission: only the task's deadline ends the asking.
        if (timers.monotonic() > active.deadline) return unknown;
      }
    }
    return unknown;
  }

  /** False once the id has come from elsewhere, or the task has another driver. */
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
      // A process that was suspended counts too little, a wall clock that was set anything: the larger one is safe.
      ...(madeAt === undefined
        ? {}
        : {
            sinceIntent: () =>
              Math.max(msBetween(madeAt, timers.monotonic()), clock.now() - attempt.intendedAt),
          }),
      // After a restart the last process has certainly ended.
      sinceGivenUp: () => msBetween(givenUpAt, timers.monotonic()),
      isKnown: (upstreamId) => parts.store.isKnownUpstream(attempt.accountId, upstreamId),
    };
    if (adopted && cluster.shared && !account.account.provider.find) {
      // Nobody can be asked, but the node that was submitting it may live, and tell the id as soon as it has it.
      await pause(timers, settings.callTimeoutMs + CONFIRM_AGAIN_MS, stopping.signal);
      if (stopping.signal.aborted || !searching(active)) return;
    }
    const outcome = await lookFor(active, lost, account);
    if (!outcome || outcome.found) return;
    // Without its model nobody knows what exactly was asked for: what is not found may be there all the same.
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
        // What may have been billed each time is counted over restarts too.
        attempt.number - active.ownTries >= settings.maxAttempts,
      );
      return;
    }
    await activeTasks.apply(
      active,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      // The node that was submitting it may have told the id in the meantime.
      { retryUntilWritten: true, only: 'submitting' },
    );
  }

  return { submit, reconcile, stop: () => stopping.abort() };
}

/** What is asked of the upstream in an attempt. */
export function jobOf(
  task: Task,
  { number, idempotencyKey, upstreamModel }: Attempt,
  { upstreamRequest, openInput }: Pick<EngineParts, 'upstreamRequest' | 'openInput'>,
): Job {
  const request = upstreamRequest(task) ?? task.request;
  return { taskId: task.id, attempt: number, idempotencyKey, upstreamModel, request, openInput };
}

/** What a lost submission is searched by: two tasks that agree in it cannot be told apart in a list. */
const likenessOf = ({ task }: ActiveTask): string =>
  JSON.stringify([task.attempt?.accountId, task.attempt?.upstreamModel, promptKey(task.request.prompt)]);

/** What an adapter throws beside its own error is a defect of ours or a lost connection: the outcome is unknown. */
export function asUpstreamError(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  const timedOut = error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
  return new UpstreamError(timedOut ? 'upstream_timeout' : 'upstream_unavailable', {
    created: 'unknown',
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
