import type { AccountState } from '../../limits/account.ts';
import { wordsForCaller } from '../../providers/http/secrets.ts';
import { type Answer, UpstreamError } from '../../providers/provider.ts';
import type { Event, WorkTimes } from '../../tasks/lifecycle.ts';
import { taskError } from '../../tasks/reasons.ts';
import { later, msBetween } from '../../time/clock.ts';
import { type ActiveTask, sleep } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { Stage, StageOutcome } from '../drive.ts';
import { workTimes } from '../job.ts';
import type { EngineParts } from '../parts.ts';
import type { LateResults } from '../recovery/lateResults.ts';
import type { Tracker } from '../tracking/tracker.ts';
import type { Cancellation } from './cancel.ts';
import type { LostJobs } from './lostJob.ts';
import type { Polled, Poller } from './poller.ts';

type PollParts = Pick<EngineParts, 'clock' | 'timers' | 'log'> & {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly poller: Poller;
  readonly tracker: Tracker;
  readonly cancellation: Cancellation;
  readonly lateResults: LateResults;
  readonly lostJobs: LostJobs;
};

/** Delay after a failed poll, doubling up to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** How long a job with a cancel request may be unknown upstream before it counts as gone. Milliseconds. */
const CANCELLED_GRACE_MS = 600_000;
/** Error messages for a task that expires. */
const EXPIRED = 'The upstream provider did not finish the task before its deadline; submit it again.';
const MISSING = 'The upstream provider no longer knew this task when its deadline passed; submit it again.';
/** How long past its deadline a task waits for an upstream that cannot be polled. Milliseconds. */
const LAST_POLL_MS = 600_000;

/** The stage of a task that the upstream has accepted: one poll a pass. Polls are kept in memory; only transitions are stored. */
export function createPoll(parts: PollParts): Stage {
  const { activeTasks, accountStates, poller, tracker, clock, timers, log } = parts;

  /** Decides when the next poll is due, and tells when the task is expected to be done. */
  function schedule(active: ActiveTask, state: AccountState): void {
    const plan = tracker.plan(active, state);
    const now = clock.now();
    active.queryAgainAt = now + plan.queryAgainInMs;
    activeTasks.reportProgress(active, active.progress, now + plan.remainingMs);
    active.dueAt ??= later(timers.monotonic(), plan.pollInMs);
  }

  async function handle(active: ActiveTask, state: AccountState, polled: Polled): Promise<void> {
    if (parts.lostJobs.isLost(active, state.account, polled))
      return parts.lostJobs.lose(active, state.account, polled);
    if (polled === 'unanswered') return pollLater(active);
    if (polled instanceof UpstreamError) return pollLater(active, polled.retryAfterMs);
    if (polled.state === 'missing') return missing(active, polled.detail);
    active.missingSince = undefined;
    active.pollFailures = 0;
    const times = await workTimes(polled, state.account.provider, clock);
    tracker.answered(active, state, polled, times);
    const event = transitionOf(polled, times);
    if (event) await activeTasks.apply(active, event, { retryUntilWritten: true, only: 'running' });
    if (active.task.phase !== 'running' || !activeTasks.drives(active)) return;
    if (timers.monotonic() > active.deadline) return expire(active);
    if ('progress' in polled && polled.progress !== undefined)
      activeTasks.reportProgress(active, polled.progress, active.expectedAt ?? clock.now());
  }

  /** A failed poll says nothing about the task: poll again later. */
  async function pollLater(active: ActiveTask, retryAfterMs = 0): Promise<void> {
    if (timers.monotonic() > later(active.deadline, LAST_POLL_MS)) return expire(active);
    active.pollFailures += 1;
    const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(active.pollFailures - 1, 10));
    active.dueAt ??= later(timers.monotonic(), Math.max(retryAfterMs, backOff));
  }

  /** Keeps polling: upstream replicas lag and incidents last for hours, so a job that is unknown now may still finish and be billed. */
  async function missing(active: ActiveTask, detail: string | undefined): Promise<void> {
    const now = timers.monotonic();
    if (active.missingSince === undefined) {
      active.missingSince = now;
      const { id: task, attempt } = active.task;
      log.warn(
        {
          event: 'upstream.job_missing',
          task,
          account: attempt?.accountId,
          upstreamId: attempt?.upstreamId,
          detail,
        },
        'the upstream does not know a job that it accepted; it is polled until the deadline of the task',
      );
    }
    const isCancelled =
      active.task.cancelRequestedAt !== undefined && msBetween(active.missingSince, now) > CANCELLED_GRACE_MS;
    if (isCancelled || now > active.deadline) return expire(active, MISSING, detail);
    return pollLater(active);
  }

  async function expire(active: ActiveTask, message = EXPIRED, detail?: string): Promise<void> {
    const expired = await activeTasks.apply(
      active,
      {
        type: 'failed',
        error: taskError('expired', message),
        outcome: 'expired',
        ...(detail ? { detail } : {}),
      },
      { retryUntilWritten: true, only: 'running' },
    );
    if (expired) parts.lateResults.watch(expired);
  }

  /** Without its account the job cannot be polled. A restart with the account configured can do so until the deadline. */
  async function waitForAccount(active: ActiveTask): Promise<StageOutcome> {
    const left = msBetween(timers.monotonic(), active.deadline);
    if (left <= 0) {
      await expire(active);
      return undefined;
    }
    log.error(
      { event: 'account.missing', task: active.task.id, account: active.task.attempt?.accountId },
      'the account of a running task is not configured; configure it again or the task will expire',
    );
    await sleep(active, timers, left);
    return 'waited';
  }

  return async (active) => {
    const account = accountStates.get(active.task.attempt?.accountId ?? '');
    if (!account) return waitForAccount(active);
    if (active.task.cancelRequestedAt === undefined) active.cancelSent = false;
    else if (!active.cancelSent) {
      active.cancelSent = true;
      await parts.cancellation.executeRequest(active);
      return 'waited';
    }
    if (active.dueAt === undefined || active.expectedAt === undefined) schedule(active, account);
    const polled = await poller.next(active);
    if (polled !== undefined && active.task.phase === 'running' && activeTasks.drives(active))
      await handle(active, account, polled);
    return 'waited';
  };
}

/** What an answer about a job means for its task; undefined if nothing has changed. `times` are those of the answer by this node's clock. */
function transitionOf(answer: Exclude<Answer, { state: 'missing' }>, times: WorkTimes): Event | undefined {
  switch (answer.state) {
    case 'succeeded':
      return { type: 'upstream_succeeded', result: answer.result, ...times };
    case 'failed': {
      const { reason, message, detail } = answer;
      const outcome = reason === 'cancelled' ? 'cancelled' : 'failed';
      const error = taskError(reason, wordsForCaller(message));
      return { type: 'failed', error, outcome, ...(detail ? { detail } : {}), ...times };
    }
    case 'in_progress':
      return { type: 'work_started', ...times };
    case 'queued':
      return undefined;
  }
}
