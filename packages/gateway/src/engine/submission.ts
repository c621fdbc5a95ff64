import {
  type FindOutcome,
  type Job,
  type Provider,
  type Started,
  type UnknownSubmission,
  UpstreamError,
} from '../providers/provider.ts';
import { newId } from '../tasks/ids.ts';
import { taskError } from '../tasks/reasons.ts';
import type { AccountState } from './accountState.ts';
import { type Hand, type Hands, releaseSlot } from './hand.ts';
import type { EngineParts } from './parts.ts';
import { pause } from './pause.ts';
import { createTwins } from './twins.ts';

/** Takes admitted tasks upstream: intent, call, id. */
export interface Submission {
  submit(hand: Hand, account: AccountState): Promise<void>;
  /** Settles a submission whose outcome is unknown, without ever repeating it blindly. */
  reconcile(hand: Hand, account: AccountState): Promise<void>;
  /** Ends waits for a lost submission: the next start looks for it. */
  stop(): void;
}

interface SubmissionParts extends EngineParts {
  readonly hands: Hands;
  /** The upstream has the task: track it. */
  readonly running: (hand: Hand) => void;
  /** The upstream does not have it: it waits for another turn. */
  readonly waiting: (hand: Hand) => void;
  /** How many accounts could serve the task at all. */
  readonly alternatives: (hand: Hand) => number;
}

/** Waits between looks for a lost submission: an upstream's list may lag behind its own accepting. Milliseconds. */
const LOOK_AGAIN_MS = [0, 2_000, 5_000, 15_000, 30_000, 60_000];

export function createSubmission(parts: SubmissionParts): Submission {
  const { hands, settings, timers, log } = parts;
  const stopping = new AbortController();
  const twins = createTwins();

  async function submit(hand: Hand, account: AccountState): Promise<void> {
    hand.slot = account;
    const upstreamModel = parts.upstreamModel(account.account, hand.task);
    const intent = {
      type: 'submit_intended',
      accountId: account.account.id,
      idempotencyKey: newId(),
      upstreamModel,
    } as const;
    const intended = await hands.apply(hand, intent, { insist: true });
    if (!intended?.attempt) {
      // Cancelled or expired since its turn came.
      account.worked();
      releaseSlot(hand);
      return;
    }

    const job: Job = {
      taskId: intended.id,
      attempt: intended.attempt.number,
      idempotencyKey: intended.attempt.idempotencyKey,
      upstreamModel,
      request: parts.upstreamRequest(intended),
      openInput: parts.openInput,
    };
    const failure = await twins.submitting(likenessOf(hand), async () => {
      let started: Started;
      try {
        started = await account.account.provider.start(job, AbortSignal.timeout(settings.callTimeoutMs));
      } catch (error) {
        return asUpstreamError(error);
      }
      account.worked();
      await confirm(hand, started.upstreamId, started.state === 'in_progress');
      return undefined;
    });
    if (failure) await notStarted(hand, account, failure);
  }

  async function notStarted(hand: Hand, account: AccountState, failure: UpstreamError): Promise<void> {
    const { reason, created, detail } = failure;
    log.warn(
      { task: hand.task.id, account: account.account.id, reason, created, detail, err: failure },
      'submitting upstream failed',
    );
    if (created === 'unknown') {
      account.backOff(failure);
      await reconcile(hand, account);
    } else {
      // A refusal of this very request says nothing against the account.
      if (failure.retry === 'never') account.worked();
      else account.backOff(failure);
      await refused(hand, failure);
    }
  }

  async function confirm(hand: Hand, upstreamId: string, working: boolean): Promise<void> {
    if (await hands.apply(hand, { type: 'submit_confirmed', upstreamId, working }, { insist: true }))
      parts.running(hand);
  }

  /** Certainly not created upstream. */
  async function refused(hand: Hand, failure: UpstreamError): Promise<void> {
    const { task } = hand;
    const detail = failure.detail ?? failure.message;
    if (failure.retry === 'elsewhere' && task.attempt) hand.avoid.add(task.attempt.accountId);
    const final =
      failure.retry === 'never' ||
      (task.attempt?.number ?? 0) >= settings.maxAttempts ||
      parts.alternatives(hand) === 0;
    if (final) {
      const error = taskError(failure.reason, failure.message);
      await hands.apply(hand, { type: 'failed', error, outcome: 'refused', detail }, { insist: true });
      return;
    }
    const waiting = await hands.apply(hand, { type: 'submit_refused', detail }, { insist: true });
    releaseSlot(hand);
    if (waiting) parts.waiting(hand);
  }

  /** One look, and the id made durable before any twin can be mistaken for the job. */
  function lookOnce(hand: Hand, lost: UnknownSubmission, provider: Provider): Promise<FindOutcome> {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    return twins.searching(likenessOf(hand), async () => {
      const outcome = (await provider.find?.(lost, AbortSignal.timeout(settings.callTimeoutMs))) ?? unknown;
      if (outcome.found) await confirm(hand, outcome.upstreamId, false);
      return outcome;
    });
  }

  /** Undefined where the gateway stops before the upstream has told. A job that is found is confirmed. */
  async function lookFor(hand: Hand, lost: UnknownSubmission, { account }: AccountState) {
    const unknown: FindOutcome = { found: false, certainty: 'unknown' };
    const { provider } = account;
    let told = 0;
    for (let look = 0; provider.find && told < LOOK_AGAIN_MS.length; look++) {
      const wait = LOOK_AGAIN_MS[Math.min(look, LOOK_AGAIN_MS.length - 1)] ?? 0;
      if (wait > 0) await pause(timers, wait, stopping.signal);
      if (stopping.signal.aborted) return undefined;
      try {
        const outcome = await lookOnce(hand, lost, provider);
        if (outcome.found || outcome.certainty === 'absent') return outcome;
        told += 1;
      } catch (error) {
        log.warn(
          { task: lost.taskId, account: account.id, err: error },
          'looking for a lost submission failed',
        );
        // An error says nothing about the submission: only the task's deadline ends the asking.
        if (timers.now() > hand.task.deadlineAt) return unknown;
      }
    }
    return unknown;
  }

  async function reconcile(hand: Hand, account: AccountState): Promise<void> {
    const { attempt, id } = hand.task;
    if (!attempt) throw new Error(`task ${id} is ${hand.task.phase} without an attempt`);
    const lost: UnknownSubmission = {
      taskId: id,
      idempotencyKey: attempt.idempotencyKey,
      upstreamModel: attempt.upstreamModel,
      request: parts.upstreamRequest(hand.task),
      intendedAt: attempt.intendedAt,
      // After a restart the last process has certainly ended.
      givenUpAt: timers.now(),
      isKnown: (upstreamId) => parts.store.isKnownUpstream(attempt.accountId, upstreamId),
    };
    const outcome = await lookFor(hand, lost, account);
    if (!outcome || outcome.found) return;
    if (outcome.certainty === 'absent') {
      return refused(
        hand,
        new UpstreamError('upstream_unavailable', { created: 'no', detail: 'not found upstream' }),
      );
    }

    const message =
      'The answer to the submission was lost and the upstream cannot tell whether it was received. ' +
      'It was not repeated, so that it cannot be billed twice; submit a new task if you want another try.';
    if (settings.resubmitUnknown) {
      log.warn(
        { task: id, account: account.account.id },
        'submitting again after an unknown outcome, as configured',
      );
      await refused(
        hand,
        new UpstreamError('upstream_unavailable', { created: 'no', detail: 'unknown outcome, resubmitted' }),
      );
      return;
    }
    await hands.apply(
      hand,
      { type: 'failed', error: taskError('submission_unknown', message), outcome: 'unknown' },
      { insist: true },
    );
  }

  return { submit, reconcile, stop: () => stopping.abort() };
}

/** What a lost submission is searched by: two tasks that agree in it cannot be told apart in a list. */
const likenessOf = ({ task }: Hand): string =>
  JSON.stringify([task.attempt?.accountId, task.attempt?.upstreamModel, task.request.prompt]);

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
