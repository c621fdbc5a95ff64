import type { UpstreamError } from '../../providers/provider.ts';
import { taskError } from '../../tasks/reasons.ts';
import { later } from '../../time/clock.ts';
import type { ActiveTask } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';

type RefusalParts = Pick<EngineParts, 'settings' | 'timers' | 'log'> & { readonly activeTasks: ActiveTasks };

/** Delay after a failure of this gateway itself, doubling up to the maximum. Milliseconds. */
const INTERNAL_RETRY_MS = 1000;
const MAX_INTERNAL_RETRY_MS = 120_000;

/** What becomes of a task whose submission did not lead to a job. */
export function createRefusals({ activeTasks, settings, timers, log }: RefusalParts) {
  /** Fails the task: if two tasks shared a job, one of them would get the video of the other's prompt. */
  async function refuseReused(active: ActiveTask, upstreamId: string): Promise<void> {
    const { id: task, attempt } = active.task;
    log.error(
      { event: 'upstream.id_reused', task, account: attempt?.accountId, upstreamId },
      'the upstream answered a submission with the id of a job that another attempt has; the task fails',
    );
    await failUnknown(
      active,
      'The upstream provider answered with the id of another task, so that the two cannot be told apart. ' +
        'Nothing is charged; submit a new task if you want another try.',
      `answered with the id of another job: ${upstreamId}`,
    );
  }

  async function failUnknown(active: ActiveTask, message: string, detail?: string): Promise<void> {
    await activeTasks.apply(
      active,
      {
        type: 'failed',
        error: taskError('submission_unknown', message),
        outcome: 'unknown',
        ...(detail === undefined ? {} : { detail }),
      },
      // The node that submitted it may have stored the id in the meantime.
      { retryUntilWritten: true, only: 'submitting' },
    );
  }

  /**
   * The job was certainly not created. A problem of the account (credential, balance) says nothing about the task: tasks wait until
   * the account works again or they expire, or they go to another account.
   */
  async function refused(active: ActiveTask, failure: UpstreamError, last = false): Promise<void> {
    const detail = failure.detail ?? failure.message;
    if (failure.ours) {
      // A failure of this gateway says nothing about the task: it is retried until its deadline.
      const doubled = INTERNAL_RETRY_MS * 2 ** Math.min(active.internalFailures, 10);
      if (!(await backToQueue(active, detail))) return;
      active.internalFailures += 1;
      active.retryAt = later(timers.monotonic(), Math.min(MAX_INTERNAL_RETRY_MS, doubled));
      return;
    }
    if (failure.retry === 'later') active.refusals += 1;
    if (failure.retry === 'never' || last || active.refusals >= settings.maxAttempts) {
      await activeTasks.apply(
        active,
        { type: 'failed', error: taskError(failure.reason, failure.message), outcome: 'refused', detail },
        { retryUntilWritten: true },
      );
      return;
    }
    await backToQueue(active, detail);
  }

  /** False if the task was not in `submitting` any more, or has another driver. */
  async function backToQueue(active: ActiveTask, detail = ''): Promise<boolean> {
    active.hadTurn = true;
    const event = { type: 'submit_refused', detail } as const;
    return (await activeTasks.apply(active, event, { retryUntilWritten: true })) !== undefined;
  }

  return { refused, refuseReused, backToQueue, failUnknown };
}
