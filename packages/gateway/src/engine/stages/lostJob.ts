import type { Account } from '../../providers/account.ts';
import { UpstreamError } from '../../providers/provider.ts';
import { type TaskError, taskError } from '../../tasks/reasons.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import type { ActiveTask } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import { isSilence } from '../job.ts';
import type { EngineParts } from '../parts.ts';
import type { Polled } from './poller.ts';

/**
 * Ends the jobs that a fleet has lost with one of its servers. A job of a service is never taken for lost before the deadline of its task,
 * because the service may finish and bill it.
 */
export interface LostJobs {
  /** Notes what a poll says of the server. True once the server has been silent about the job for as long as its fleet waits. */
  isLost(active: ActiveTask, account: Account, polled: Polled): boolean;
  /** Ends the attempt, and with it the task, unless its fleet makes lost jobs again. */
  lose(active: ActiveTask, account: Account, polled: Polled): Promise<void>;
}

type LostParts = Pick<EngineParts, 'settings' | 'timers' | 'log'> & { readonly activeTasks: ActiveTasks };

const FORGOTTEN =
  'The server that worked on this task does not know it any more, as after a restart; submit it again.';
const SILENT = 'The server that worked on this task has not answered for too long; submit it again.';

export function createLostJobs({ activeTasks, settings, timers, log }: LostParts): LostJobs {
  /** Counted like attempts whose outcome is unknown. */
  function mayRepeat({ task, internalFailures }: ActiveTask, { member }: Account): boolean {
    const attempts = (task.attempt?.number ?? 0) - internalFailures;
    return (member?.resubmitUnknown ?? settings.resubmitUnknown) && attempts < settings.maxAttempts;
  }

  return {
    isLost(active, { member }, polled) {
      if (polled === 'unanswered') return false;
      noteSilence(active, isForgotten(polled) || isSilence(polled), timers.monotonic());
      return isOverdue(active, member?.lostAfterMs, timers.monotonic());
    },

    async lose(active, account, polled) {
      const { id: task, attempt } = active.task;
      const said = polled instanceof UpstreamError ? polled.detail : undefined;
      const detail = [
        `${account.id} ${isForgotten(polled) ? 'does not know the job' : 'does not answer'}`,
        said,
      ]
        .filter(Boolean)
        .join(': ');
      const again = mayRepeat(active, account);
      log.warn(
        {
          event: 'upstream.job_lost',
          task,
          account: account.id,
          upstreamId: attempt?.upstreamId,
          detail,
          again,
        },
        'a job is lost with the server of a fleet that had it',
      );
      const error = errorOf(active, polled);
      const moved = await activeTasks.apply(
        active,
        again ? { type: 'job_lost', detail } : { type: 'failed', error, outcome: 'lost', detail },
        { retryUntilWritten: true, only: 'running' },
      );
      // The next job begins anew.
      if (moved && again)
        Object.assign(active, {
          hadTurn: true,
          pollFailures: 0,
          missingSince: undefined,
          silentSince: undefined,
          dueAt: undefined,
        } satisfies Partial<ActiveTask>);
    },
  };
}

function errorOf({ task }: ActiveTask, polled: Polled): TaskError {
  // A server of one's own may forget a waiting job as soon as it is stopped, as its client wanted.
  if (task.cancelRequestedAt !== undefined) return taskError('cancelled', 'The task was cancelled.');
  return isForgotten(polled)
    ? taskError('upstream_failed', FORGOTTEN)
    : taskError('upstream_unavailable', SILENT);
}

const isForgotten = (polled: Polled): boolean =>
  typeof polled === 'object' && 'state' in polled && polled.state === 'missing';

/** Notes whether the server of a task's job was silent about it just now. */
export function noteSilence(active: ActiveTask, isSilent: boolean, now: Moment): void {
  active.silentSince = isSilent ? (active.silentSince ?? now) : undefined;
}

/** Whether the server has been silent for as long as its fleet waits. Never if it is not one of a fleet. */
export const isOverdue = (
  { silentSince }: ActiveTask,
  lostAfterMs: number | undefined,
  now: Moment,
): boolean =>
  silentSince !== undefined && msBetween(silentSince, now) >= (lostAfterMs ?? Number.POSITIVE_INFINITY);
