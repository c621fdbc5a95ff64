import type { AccountState } from '../../limits/account.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { move } from '../../tasks/lifecycle.ts';
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

/** How long a request waits for the node that drives the task to execute the cancel request. Milliseconds. */
const PATIENCE_MS = 10_000;
/** Tries to store the cancel request while the driver writes transitions concurrently. */
const TRIES = 20;

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

/**
 * Cancels a task that another node drives. The cancel request is stored in the task, where any driver finds it. Resolves with
 * the task once it has ended, or as it is after `PATIENCE_MS`. Throws a 409 if the driver could not cancel it.
 */
export async function cancelRemotely(
  { store, feed, clock, timers }: Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers'>,
  task: Task,
): Promise<Task> {
  let current = task;
  for (let tries = 0; current.cancelRequestedAt === undefined && !isTerminal(current.phase); tries++) {
    const wish = move(current, { type: 'cancel_requested' }, clock.now());
    if (!wish || tries === TRIES) {
      throw tooLate(current, 'is finished upstream and is being stored; delete it once it has succeeded');
    }
    const noted = await store.commit(wish);
    if (noted) feed.publish({ task: wish.task, transition: true });
    current = noted ? wish.task : ((await store.task(task.id)) ?? current);
  }
  return outcomeOf(current);

  function outcomeOf(requested: Task): Promise<Task> {
    return new Promise((resolve, reject) => {
      let seen = requested;
      const done = () => {
        stop();
        cancelTimer();
        if (seen.error?.reason === 'cancelled') resolve(seen);
        else if (isTerminal(seen.phase)) reject(tooLate(seen, `has ${seen.phase} already`));
        else if (seen.cancelRequestedAt === undefined) {
          reject(tooLate(seen, 'is past the point where its provider can stop it; it will finish'));
        } else resolve(seen);
      };
      const look = (latest: Task) => {
        if (latest.version >= seen.version) seen = latest;
        if (isTerminal(seen.phase) || seen.cancelRequestedAt === undefined) done();
      };
      const stop = feed.onTask(task.id, (change) => look(change.task));
      const cancelTimer = timers.after(PATIENCE_MS, done);
      // Changes between the write and the subscription.
      store.task(task.id).then(
        (latest) => latest && look(latest),
        () => undefined,
      );
    });
  }
}

/** The 409 for a request that the state of the task does not allow. */
export function tooLate(task: Task, why: string): OnetakeError {
  return new OnetakeError('wrong_state', 409, `The task ${why}.`, { status: statusOf(task) });
}
