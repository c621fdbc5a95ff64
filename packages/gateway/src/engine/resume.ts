import type { AccountState } from '../limits/account.ts';
import type { Provider } from '../providers/provider.ts';
import { taskError } from '../tasks/reasons.ts';
import type { Task } from '../tasks/task.ts';
import type { ActiveTask, ActiveTasks } from './activeTasks.ts';
import type { EngineParts } from './parts.ts';
import type { Cancellation } from './stages/cancel.ts';
import type { Downloads } from './stages/download.ts';
import type { Polling } from './stages/poll.ts';
import { jobOf, type Submission } from './stages/submit.ts';

interface ResumeParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly submission: Submission;
  readonly polling: Polling;
  readonly downloads: Downloads;
  readonly cancellation: Cancellation;
  /** Puts an accepted task in its queue. */
  readonly enqueue: (active: ActiveTask) => void;
  /** Tracks work that a drain waits for. */
  readonly trackWork: (work: Promise<unknown>) => void;
}

/** Resumes a task where its last driver left it. The stored attempt is sufficient, even if the model is no longer in the catalogue. */
export function createResume(parts: ResumeParts): (task: Task) => void {
  const {
    activeTasks,
    accountStates,
    submission,
    polling,
    downloads,
    cancellation,
    trackWork,
    clock,
    timers,
    log,
  } = parts;

  function proceed(active: ActiveTask): void {
    if (active.task.phase === 'storing') {
      downloads.start(active, { resumed: true });
      return;
    }
    polling.track(active);
    polling.pollNow(active);
    if (active.task.cancelRequestedAt !== undefined) trackWork(cancellation.executeRequest(active));
  }

  async function resume(active: ActiveTask, resumeJob: NonNullable<Provider['resume']>): Promise<void> {
    const { task } = active;
    if (task.attempt) {
      // If it fails, the next poll reports the job as missing.
      await resumeJob(jobOf(task, task.attempt, parts)).catch((error) =>
        log.warn(
          { event: 'upstream.adopt_failed', task: task.id, err: error },
          'cannot resume a job that another node started',
        ),
      );
    }
    if (activeTasks.drives(active)) proceed(active);
  }

  /** Without its account the submission cannot be looked up. A restart with the account configured can do so until the deadline. */
  function waitForAccount(active: ActiveTask): void {
    log.error(
      { event: 'account.missing', task: active.task.id, account: active.task.attempt?.accountId },
      'the account that a task was being submitted to is not configured; configure it again or the task will fail',
    );
    active.cancelTimer = timers.after(active.task.deadlineAt - clock.now(), () =>
      trackWork(loseSubmission(active)),
    );
  }

  async function loseSubmission(active: ActiveTask): Promise<void> {
    const message =
      'The account that the task was being submitted to is not configured any more; submit the task again.';
    await activeTasks.apply(
      active,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      // The node that submitted it may have recorded the upstream id in the meantime.
      { retryUntilWritten: true, only: 'submitting' },
    );
  }

  return (task) => {
    const active = activeTasks.take(task);
    const state = accountStates.get(task.attempt?.accountId ?? '');
    if (state && (task.phase === 'submitting' || task.phase === 'running')) {
      state.occupy();
      active.slot = state;
    }
    switch (task.phase) {
      case 'accepted':
        parts.enqueue(active);
        return;
      case 'submitting':
        if (state) trackWork(submission.reconcile(active, state, { adopted: true }));
        else waitForAccount(active);
        return;
      case 'running':
      case 'storing':
        if (state?.account.provider.resume) trackWork(resume(active, state.account.provider.resume));
        else proceed(active);
    }
  };
}
