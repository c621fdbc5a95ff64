import type { AccountState } from '../../limits/account.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { taskError } from '../../tasks/reasons.ts';
import { isTerminal, type Phase, statusOf, type Task } from '../../tasks/task.ts';
import type { ActiveTask } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import { handleOf } from '../job.ts';
import type { EngineParts } from '../parts.ts';

/** Cancels tasks in any phase, as far as the upstream supports it. */
export interface Cancellation {
  /**
   * Cancels the task. While it is being submitted the cancel request is only recorded, and the returned task is unfinished.
   * Throws a 409 if it is too late or the upstream cannot cancel.
   */
  cancel(active: ActiveTask): Promise<Task>;
  /** Executes a recorded cancel request, once it is known whether the upstream has the task. */
  executeRequest(active: ActiveTask): Promise<void>;
}

interface CancellationParts extends Pick<EngineParts, 'settings' | 'log'> {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

export function createCancellation({
  activeTasks,
  accountStates,
  settings,
  log,
}: CancellationParts): Cancellation {
  /** Applies only in the phase in which it was decided: a submission in progress must not be marked as cancelled. */
  function finish(active: ActiveTask, only: Phase, retryUntilWritten: boolean): Promise<Task | undefined> {
    const error = taskError('cancelled', 'The task was cancelled.');
    return activeTasks.apply(
      active,
      { type: 'failed', error, outcome: 'cancelled' },
      { only, retryUntilWritten },
    );
  }

  async function cancelUpstream(active: ActiveTask, retryUntilWritten: boolean): Promise<Task> {
    const { task } = active;
    const provider = accountStates.get(task.attempt?.accountId ?? '')?.account.provider;
    const handle = handleOf(task.attempt);
    if (!provider?.cancel || !handle) {
      throw tooLate(
        task,
        'cannot be cancelled any more: its provider has no way to stop a task that was submitted',
      );
    }
    switch (await provider.cancel(handle, AbortSignal.timeout(settings.callTimeoutMs))) {
      case 'cancelled':
        return (
          (await finish(active, 'running', retryUntilWritten)) ?? cancelInPhase(active, retryUntilWritten)
        );
      case 'pending':
        // A later poll reports that the job was cancelled.
        active.cancelSent = true;
        return (
          (await activeTasks.apply(active, { type: 'cancel_requested' }, { retryUntilWritten })) ??
          active.task
        );
      case 'too_late':
        throw tooLate(task, 'is past the point where its provider can stop it; it will finish');
    }
  }

  /** `retryUntilWritten`: no client waits who could be told that the store is down, and nothing else would drive the task. */
  async function cancelInPhase(active: ActiveTask, retryUntilWritten: boolean): Promise<Task> {
    const { task } = active;
    // Another node drives the task by now and will see the result by polling.
    if (!isTerminal(task.phase) && !activeTasks.drives(active)) return task;
    switch (task.phase) {
      case 'accepted': {
        const done = await finish(active, 'accepted', retryUntilWritten);
        return done ?? cancelInPhase(active, retryUntilWritten);
      }
      case 'submitting': {
        const noted = await activeTasks.apply(
          active,
          { type: 'cancel_requested' },
          { only: 'submitting', retryUntilWritten },
        );
        if (noted || active.task.phase === 'submitting') return active.task;
        return cancelInPhase(active, retryUntilWritten);
      }
      case 'running':
        return cancelUpstream(active, retryUntilWritten);
      case 'storing':
        throw tooLate(task, 'is finished upstream and is being stored; delete it once it has succeeded');
      case 'failed':
        if (task.error?.reason === 'cancelled') return task;
        throw tooLate(task, 'has failed already');
      case 'succeeded':
        throw tooLate(task, 'has succeeded already; delete it if you do not want it');
    }
  }

  return {
    cancel: (active) => cancelInPhase(active, false),
    async executeRequest(active) {
      try {
        await cancelInPhase(active, true);
      } catch (error) {
        log.info(
          { event: 'upstream.cancel_refused', task: active.task.id, err: error },
          'the upstream did not cancel; the task goes on',
        );
        // Tells clients that wait at any node that the cancel request was refused.
        await activeTasks.apply(active, { type: 'cancel_refused' }, { retryUntilWritten: true });
      }
    },
  };
}

/** The 409 for a request that the state of the task does not allow. */
export function tooLate(task: Task, why: string): OnetakeError {
  return new OnetakeError('wrong_state', 409, `The task ${why}.`, { status: statusOf(task) });
}
