import type { AccountState } from '../../limits/account.ts';
import type { Waiter } from '../../limits/admission.ts';
import { SendRefused, UpstreamError } from '../../providers/provider.ts';
import { newId } from '../../tasks/ids.ts';
import type { TaskError } from '../../tasks/reasons.ts';
import { msBetween } from '../../time/clock.ts';
import type { AccountPool } from '../accountPool.ts';
import { type ActiveTask, leaveUpstream, sleep } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { Intent, Stage, StageOutcome } from '../drive.ts';
import type { EngineParts } from '../parts.ts';
import { NoPlace } from '../transitions.ts';
import type { Cancellation } from './cancel.ts';
import { expiredWaiting, retired, waitingFor } from './waiting.ts';

interface AdmitParts extends Pick<EngineParts, 'upstreamModel' | 'clock' | 'timers' | 'log'> {
  readonly activeTasks: ActiveTasks;
  readonly pool: AccountPool;
  readonly cancellation: Cancellation;
  readonly stopping: AbortSignal;
}

/** The stage of an accepted task: waits for a place on an account, and stores the intent to submit. */
export function createAdmit(parts: AdmitParts): Stage {
  const { activeTasks, pool, cancellation, clock, timers, log } = parts;
  const { admission } = pool;

  /** Milliseconds until the task's model ends at the last account that serves it. */
  const servedFor = ({ task }: ActiveTask): number => pool.servedUntil(task) - clock.now();

  /** Waits for a place until the deadline or the end of the model. Undefined if the task was woken first. */
  function waitForPlace(active: ActiveTask): Promise<AccountState | undefined> {
    return new Promise((resolve) => {
      const end = (account?: AccountState) => {
        cancelTimer();
        active.wake = undefined;
        active.place = account;
        resolve(account);
      };
      const waiter: Waiter = { task: active.task, admitted: end };
      const wake = () => {
        admission.remove(waiter);
        end();
      };
      const leftMs = Math.min(msBetween(timers.monotonic(), active.deadline), servedFor(active));
      const cancelTimer = timers.after(leftMs, wake);
      active.wake = wake;
      admission.enqueue(waiter, active.hadTurn);
    });
  }

  /**
   * Undefined if the task was cancelled or has expired since it was admitted. Throws `NoPlace` if another node took the last place of the
   * account, and an `UpstreamError` if the upstream cannot be reached.
   */
  async function intend(active: ActiveTask, account: AccountState): Promise<Intent | undefined> {
    const upstreamModel = parts.upstreamModel(account.account, active.task);
    const { provider, member } = account.account;
    // Read before the intent is stored: a search finds jobs younger than this time, not older ones. Without it, another node could never
    // say that the upstream does not have the job.
    const intendedThereAt = provider.find && (await provider.upstreamTime?.());
    // A drain waits for submissions, so none is begun any more.
    if (parts.stopping.aborted) return undefined;
    const madeAt = timers.monotonic();
    const task = await activeTasks.apply(
      active,
      {
        type: 'submit_intended',
        accountId: account.account.id,
        ...(member ? { server: member.server } : {}),
        idempotencyKey: newId(),
        upstreamModel,
        ...(provider.findVersion === undefined ? {} : { findVersion: provider.findVersion }),
        ...(intendedThereAt === undefined ? {} : { intendedThereAt: Math.floor(intendedThereAt) }),
      },
      { retryUntilWritten: true, intend: account.limiter.intend },
    );
    return task && { task, account, madeAt };
  }

  async function expire(active: ActiveTask, error: TaskError): Promise<void> {
    const failed = { type: 'failed', error, outcome: 'expired' } as const;
    await activeTasks.apply(active, failed, { retryUntilWritten: true, only: 'accepted' });
  }

  /** The account backs off, as after a submission that did not reach the upstream. */
  function unreachable(account: AccountState, error: UpstreamError): void {
    const { reason, detail } = error;
    log.warn(
      { event: 'upstream.unreachable', account: account.account.id, reason, detail, err: error },
      'the upstream does not answer, so nothing is submitted to it; retrying',
    );
    account.backOff(error);
  }

  return async (active): Promise<StageOutcome> => {
    const now = timers.monotonic();
    if (active.task.cancelRequestedAt !== undefined) {
      await cancellation.executeRequest(active);
      return undefined;
    }
    if (now >= active.deadline) {
      await expire(active, expiredWaiting(waitingFor(pool.serving(active.task), true)));
      return undefined;
    }
    if (servedFor(active) <= 0) {
      await expire(active, retired(active.task));
      return undefined;
    }
    if (active.retryAt !== undefined && active.retryAt > now) {
      await sleep(active, timers, Math.min(msBetween(now, active.retryAt), msBetween(now, active.deadline)));
      return 'waited';
    }
    const account = await waitForPlace(active);
    if (!account) return 'waited';
    let intent: Intent | undefined;
    let wasReached = true;
    try {
      intent = await intend(active, account);
      return intent;
    } catch (error) {
      if (error instanceof UpstreamError && !(error instanceof SendRefused)) {
        wasReached = false;
        unreachable(account, error);
      } else if (!(error instanceof NoPlace)) throw error;
      active.hadTurn = true;
      return 'waited';
    } finally {
      if (!intent) {
        if (wasReached) account.cancelSubmit();
        leaveUpstream(active);
      }
    }
  };
}
