import type { AccountState } from '../limits/account.ts';
import type { Provider } from '../providers/provider.ts';
import { taskError } from '../tasks/reasons.ts';
import type { Task } from '../tasks/task.ts';
import type { Hand, Hands } from './activeTasks.ts';
import type { EngineParts } from './parts.ts';
import type { Cancelling } from './stages/cancel.ts';
import type { Collecting } from './stages/download.ts';
import type { Tracking } from './stages/poll.ts';
import { jobOf, type Submission } from './stages/submit.ts';

interface TakingUpParts extends EngineParts {
  readonly hands: Hands;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly submission: Submission;
  readonly tracking: Tracking;
  readonly collecting: Collecting;
  readonly cancelling: Cancelling;
  /** Puts an accepted task in its queue. */
  readonly enqueue: (hand: Hand) => void;
  /** Keeps work that a drain waits for. */
  readonly keep: (work: Promise<unknown>) => void;
}

/** Takes a task up where its last driver left it. What its attempt says is enough, whatever became of its model. */
export function createTakingUp(parts: TakingUpParts): (task: Task) => void {
  const { hands, accountStates, submission, tracking, collecting, cancelling, keep, clock, timers, log } =
    parts;

  function goOn(hand: Hand): void {
    if (hand.task.phase === 'storing') {
      collecting.collect(hand, { resumed: true });
      return;
    }
    tracking.track(hand);
    tracking.askNow(hand);
    if (hand.task.cancelRequestedAt !== undefined) keep(cancelling.carryOut(hand));
  }

  async function resume(hand: Hand, again: NonNullable<Provider['resume']>): Promise<void> {
    const { task } = hand;
    if (task.attempt) {
      // A failure shows in the next question about the job, which is not there then.
      await again(jobOf(task, task.attempt, parts)).catch((error) =>
        log.warn({ task: task.id, err: error }, 'resuming a job of another node failed'),
      );
    }
    if (hands.drives(hand)) goOn(hand);
  }

  /** Nobody can be asked what became of it; a start with the account back can, until the deadline. */
  function waitForAccount(hand: Hand): void {
    log.error(
      { task: hand.task.id, account: hand.task.attempt?.accountId },
      'the account that a task was being submitted to is not configured any more; configure it again or the task will fail',
    );
    hand.cancelTimer = timers.after(hand.task.deadlineAt - clock.now(), () => keep(loseSubmission(hand)));
  }

  async function loseSubmission(hand: Hand): Promise<void> {
    const message =
      'The account that the task was being submitted to is not configured any more; submit the task again.';
    await hands.apply(
      hand,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      // Its node may have told the id in the meantime.
      { insist: true, only: 'submitting' },
    );
  }

  return (task) => {
    const hand = hands.take(task);
    const state = accountStates.get(task.attempt?.accountId ?? '');
    if (state && (task.phase === 'submitting' || task.phase === 'running')) {
      state.occupy();
      hand.slot = state;
    }
    switch (task.phase) {
      case 'accepted':
        parts.enqueue(hand);
        return;
      case 'submitting':
        if (state) keep(submission.reconcile(hand, state, { adopted: true }));
        else waitForAccount(hand);
        return;
      case 'running':
      case 'storing':
        if (state?.account.provider.resume) keep(resume(hand, state.account.provider.resume));
        else goOn(hand);
    }
  };
}
