import type { AccountState } from '../../limits/account.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { taskError } from '../../tasks/reasons.ts';
import { isTerminal, type Phase, statusOf, type Task } from '../../tasks/task.ts';
import type { Hand, Hands } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import type { Admission } from './admit.ts';
import { handleOf } from './poll.ts';

/** Cancels tasks in any phase, as far as the upstream lets us. */
export interface Cancelling {
  /**
   * Cancels, or notes the wish where the outcome of the submission must be awaited first (the task then still is
   * unfinished). Throws a 409 where it is too late or the upstream cannot.
   */
  cancel(hand: Hand): Promise<Task>;
  /** Carries out a wish noted earlier, now that it is known whether the upstream has the task. */
  carryOut(hand: Hand): Promise<void>;
}

interface CancellingParts extends EngineParts {
  readonly hands: Hands;
  readonly admission: Admission;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

export function createCancelling({
  hands,
  admission,
  accountStates,
  settings,
  log,
}: CancellingParts): Cancelling {
  /** Only in the phase that the decision was made in: a submission under way must not be cancelled unseen. */
  function finish(hand: Hand, only: Phase, insist: boolean): Promise<Task | undefined> {
    const error = taskError('cancelled', 'The task was cancelled.');
    return hands.apply(hand, { type: 'failed', error, outcome: 'cancelled' }, { only, insist });
  }

  async function cancelUpstream(hand: Hand, insist: boolean): Promise<Task> {
    const { task } = hand;
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
        return (await finish(hand, 'running', insist)) ?? again(hand, insist);
      case 'pending':
        // The upstream will say so in an answer; tracking hears it.
        return (await hands.apply(hand, { type: 'cancel_requested' }, { insist })) ?? hand.task;
      case 'too_late':
        throw tooLate(task, 'is past the point where its provider can stop it; it will finish');
    }
  }

  /** `insist`: nobody waits who could be told that the store is down, and nothing else would drive the task. */
  async function again(hand: Hand, insist: boolean): Promise<Task> {
    const { task } = hand;
    // Another driver has it by now: what the upstream was told, that driver will hear of.
    if (!isTerminal(task.phase) && !hands.drives(hand)) return task;
    switch (task.phase) {
      case 'accepted': {
        const done = await finish(hand, 'accepted', insist);
        if (!done) return again(hand, insist);
        admission.remove(hand);
        return done;
      }
      case 'submitting': {
        const noted = await hands.apply(hand, { type: 'cancel_requested' }, { only: 'submitting', insist });
        if (noted || hand.task.phase === 'submitting') return hand.task;
        return again(hand, insist);
      }
      case 'running':
        return cancelUpstream(hand, insist);
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
    cancel: (hand) => again(hand, false),
    async carryOut(hand) {
      try {
        await again(hand, true);
      } catch (error) {
        log.info(
          { task: hand.task.id, err: error },
          'a cancellation came too late upstream; the task goes on',
        );
        // Whoever waits for the wish to be carried out, at whatever node, learns that it is off.
        await hands.apply(hand, { type: 'cancel_refused' }, { insist: true });
      }
    },
  };
}

/** 409: the state of the task does not admit what was asked. */
export function tooLate(task: Task, why: string): OnetakeError {
  return new OnetakeError('wrong_state', 409, `The task ${why}.`, { status: statusOf(task) });
}
