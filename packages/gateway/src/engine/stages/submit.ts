import type { AccountState } from '../../limits/account.ts';
import { SubmitAbandoned } from '../../providers/boundCalls.ts';
import { SendRefused, type Submitted, UpstreamError } from '../../providers/provider.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import { type ActiveTask, sleep } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { Intent, Stage, StageOutcome } from '../drive.ts';
import { asUpstreamError, jobOf } from '../job.ts';
import type { EngineParts } from '../parts.ts';
import type { Confirm } from '../recovery/confirm.ts';
import { type DuplicateGuard, likenessOf } from '../recovery/duplicateGuard.ts';
import type { Sent, SubmissionSearch } from '../recovery/search.ts';
import { UpstreamIdTaken } from '../transitions.ts';
import { createRefusals } from './refuse.ts';

interface SubmitParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly duplicates: DuplicateGuard;
  readonly search: SubmissionSearch;
  readonly confirm: Confirm;
  readonly stopping: AbortSignal;
}

/** Delay before a node that could not send tries again; enough to notice that its lease is lost. Milliseconds. */
const NOT_SENT_MS = 1000;

/**
 * The stage of a task whose intent is stored. With the token of the intent it sends the submission, once. In any other case (restart,
 * adoption, lost response) it searches for the job and never sends.
 */
export function createSubmit(parts: SubmitParts): Stage {
  const { activeTasks, accountStates, duplicates, confirm, cluster, settings, timers, log, stopping } = parts;
  const { refused, refuseReused, backToQueue, failUnknown } = createRefusals(parts);

  async function send(active: ActiveTask, { task, account, madeAt }: Intent): Promise<void> {
    const { attempt } = task;
    if (!attempt) throw new Error(`task ${task.id} was intended without an attempt`);
    const job = jobOf(task, attempt, parts);
    // If this process was paused or lost its lease, another node may drive the task, have found no job, and be submitting it
    // itself.
    const maySend = () => cluster.hasLease() && activeTasks.drives(active);
    const failure = await duplicates.submitting(likenessOf(task), async () => {
      if (!maySend()) return new SendRefused();
      let submitted: Submitted;
      try {
        const signal = AbortSignal.timeout(settings.callTimeoutMs);
        submitted = await account.account.provider.submit(job, { signal, maySend });
      } catch (error) {
        if (error instanceof SubmitAbandoned) void followLate(active, attempt.number, error.late);
        return asUpstreamError(error);
      }
      account.worked();
      try {
        await confirm(active, attempt.number, submitted.upstreamId, submitted.state === 'in_progress');
      } catch (error) {
        if (!(error instanceof UpstreamIdTaken)) throw error;
        await refuseReused(active, submitted.upstreamId);
      }
      return undefined;
    });
    if (failure) await sendFailed(active, account, failure, madeAt);
  }

  /** Stores what comes of a submission that was given up, if its task still waits for that: meanwhile it is searched for. */
  async function followLate(
    active: ActiveTask,
    attempt: number,
    late: SubmitAbandoned['late'],
  ): Promise<void> {
    const { id: task } = active.task;
    try {
      const { upstreamId, state } = await late;
      await confirm(active, attempt, upstreamId, state === 'in_progress');
    } catch (err) {
      log.warn({ event: 'upstream.late_submit_failed', task, err }, 'a submission that was given up failed');
    }
  }

  async function sendFailed(
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
      // Nothing was sent, so this says nothing about the upstream, and the try does not count as an attempt. If another node drives
      // the task by now, that node goes on.
      account.cancelSubmit();
      await pause(timers, NOT_SENT_MS, stopping);
      await backToQueue(active, detail);
    } else if (created === 'unknown' && !activeTasks.drives(active)) {
      // The next driver searches for the job.
      account.cancelSubmit();
    } else if (created === 'unknown') {
      account.backOff(failure);
      const late = failure instanceof SubmitAbandoned ? failure.late : undefined;
      await searchFor(active, account, { madeAt, late });
    } else {
      // A refusal of this request says nothing about the account.
      if (failure.ours === 'inputs') account.cancelSubmit();
      else if (failure.retry === 'never') account.worked();
      else account.backOff(failure);
      await refused(active, failure);
    }
  }

  /** `sent`: the submission, if this process made it. */
  async function searchFor(active: ActiveTask, { account }: AccountState, sent?: Sent): Promise<void> {
    const outcome = await parts.search.find(active, account, sent);
    if (!outcome || outcome.found) return;
    // Without its model the exact request is unknown, so a job that was not found may still exist.
    if (outcome.certainty === 'absent' && parts.upstreamRequest(active.task)) {
      return refused(active, notCreated('not found upstream'));
    }
    if (!(account.member?.resubmitUnknown ?? settings.resubmitUnknown)) {
      return failUnknown(
        active,
        'The answer to the submission was lost and the upstream cannot tell whether it was received. ' +
          'It was not repeated, so that it cannot be billed twice; submit a new task if you want another try.',
      );
    }
    log.warn(
      { event: 'upstream.resubmitted', task: active.task.id, account: account.id },
      'submitting again after an unknown outcome, as configured',
    );
    // Counted across restarts, because each attempt may have been billed.
    const attempts = (active.task.attempt?.number ?? 0) - active.internalFailures;
    await refused(active, notCreated('unknown outcome, resubmitted'), attempts >= settings.maxAttempts);
  }

  /** Without its account the submission cannot be looked up. A restart with the account configured can do so until the deadline. */
  async function waitForAccount(active: ActiveTask): Promise<StageOutcome> {
    const left = msBetween(timers.monotonic(), active.deadline);
    if (left <= 0) {
      await failUnknown(
        active,
        'The account that the task was being submitted to is not configured any more; submit the task again.',
      );
      return undefined;
    }
    log.error(
      { event: 'account.missing', task: active.task.id, account: active.task.attempt?.accountId },
      'the account that a task was being submitted to is not configured; configure it again or the task will fail',
    );
    await sleep(active, timers, left);
    return 'waited';
  }

  return async (active, intent) => {
    if (intent) {
      await send(active, intent);
      return undefined;
    }
    const account = accountStates.get(active.task.attempt?.accountId ?? '');
    if (!account) return waitForAccount(active);
    await searchFor(active, account);
    return undefined;
  };
}

const notCreated = (detail: string): UpstreamError =>
  new UpstreamError('upstream_unavailable', { created: 'no', detail });
