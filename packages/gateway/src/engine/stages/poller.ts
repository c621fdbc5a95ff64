import type { AccountState } from '../../limits/account.ts';
import { isOwnTrouble } from '../../providers/http/lostCall.ts';
import type { Answer, DueJob, Handle, Provider, UpstreamError } from '../../providers/provider.ts';
import type { Permits } from '../../providers/rates/permits.ts';
import { LONG_AGO, later, type Moment, type MonotonicClock, msBetween } from '../../time/clock.ts';
import type { Timers } from '../../time/timers.ts';
import { createTurns } from '../../time/turns.ts';
import type { ActiveTask } from '../activeTask.ts';
import { asUpstreamError, handleOf, isSilence } from '../job.ts';
import type { EngineParts } from '../parts.ts';
import { urgencyOf } from '../tracking/trackedJob.ts';
import type { Tracker } from '../tracking/tracker.ts';
import { type ChooseTasks, createPollQueue, type PollQueue } from './pollQueue.ts';
import type { AccountPolls } from './pollWatch.ts';

/** Sends the polls that are due, within the limits of each account and in batches where the upstream allows it. */
export interface Poller {
  /**
   * Polls the task's job when it is due (`ActiveTask.dueAt`). Resolves with what came of it, or with undefined if the task was woken
   * first. The account of the task must be configured.
   */
  next(active: ActiveTask): Promise<Polled | undefined>;
  /** Makes the next poll of a task due at once, after a hint that its job has changed. */
  pollSoon(active: ActiveTask): void;
  /** Plans the polls of an account's tasks again, after polls have become cheaper. Polls that failed keep their back-off. */
  planAgain(accountId: string): void;
  /** The state of the polls of each account. */
  polls(): Iterable<AccountPolls>;
}

/** The answer about a job; the failure of the call; or `unanswered`, if the job has no id upstream. */
export type Polled = Answer | UpstreamError | 'unanswered';

type Answers = ReadonlyMap<string, Answer>;

type PollerParts = Pick<EngineParts, 'timers' | 'settings' | 'log'> & {
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly activeTasks: Iterable<ActiveTask>;
  readonly tracker: Pick<Tracker, 'rate' | 'limited' | 'batched' | 'weighAgain'>;
  readonly stopping: AbortSignal;
};

/** Concurrent polls per account. Below this, only the account's rate limit bounds them. */
const POLL_CONCURRENCY = 16;
/** Answers that are handled in one turn of the event loop. A batch may have hundreds, and each moves what is known of its kind of job. */
const ANSWERS_A_TURN = 8;
/** How long an account is not polled after it refused a poll without saying for how long. Milliseconds. */
const LIMITED_MS = 1000;
/** Tasks that are planned again in one turn of the event loop, and the time until the next. Milliseconds. */
const PLANNED_AT_ONCE = 500;
const PLANNED_PAUSE_MS = 10;
/** A poll that is due so soon anyway stays as it is. Milliseconds. */
const SOON_MS = 1000;

/** The polls of one account. */
interface AccountPoller {
  readonly state: AccountState;
  readonly permits: Permits;
  readonly queue: PollQueue;
  /** The tasks that wait for a poll, and how to answer them. */
  readonly waiting: Map<ActiveTask, (polled: Polled | undefined) => void>;
  inFlight: number;
  pausedUntil: Moment;
  cancelWake: (() => void) | undefined;
  /** As in `AccountPolls`. */
  returnedAt: Moment;
  inFlightSince: Moment | undefined;
  /** Since when polls fail without reaching the upstream. */
  unsentSince: Moment | undefined;
}

export function createPoller(parts: PollerParts): Poller {
  const { accountStates, activeTasks, timers, settings, log, stopping } = parts;
  const pollers = new Map<string, AccountPoller>();
  const turns = createTurns(ANSWERS_A_TURN);

  function pollerOf({ task }: ActiveTask): AccountPoller {
    const accountId = task.attempt?.accountId ?? '';
    const known = pollers.get(accountId);
    if (known) return known;
    const state = accountStates.get(accountId);
    if (!state) throw new Error(`account ${accountId} of task ${task.id} is not configured`);
    const made = newAccountPoller(state, parts.tracker, timers);
    pollers.set(accountId, made);
    made.permits.onReady(() => pump(made));
    return made;
  }

  function pump(poller: AccountPoller): void {
    poller.cancelWake?.();
    poller.cancelWake = undefined;
    while (poller.queue.requests() > 0 && poller.inFlight < POLL_CONCURRENCY && !stopping.aborted) {
      const pauseMs = msBetween(timers.monotonic(), poller.pausedUntil);
      const ms = pauseMs > 0 ? pauseMs : poller.permits.readyIn();
      if (ms > 0) {
        // While it is not known when polls may go, `onReady` calls `pump` again.
        if (ms < Number.POSITIVE_INFINITY) poller.cancelWake = timers.after(ms, () => pump(poller));
        return;
      }
      const batch = poller.queue.next(timers.monotonic());
      for (const active of batch) active.dueAt = undefined;
      poller.permits.take();
      poller.inFlight += 1;
      poller.inFlightSince = timers.monotonic();
      void poll(batch, poller).finally(() => {
        poller.inFlight -= 1;
        if (poller.inFlight === 0) poller.inFlightSince = undefined;
        pump(poller);
      });
    }
  }

  async function poll(batch: readonly ActiveTask[], poller: AccountPoller): Promise<void> {
    const jobs = batch.flatMap((active) => {
      const handle = handleOf(active.task.attempt);
      if (!handle) answer(active, 'unanswered', poller);
      return handle ? [{ active, handle }] : [];
    });
    if (jobs.length === 0) return;
    const { provider } = poller.state.account;
    try {
      const answers = await callProvider(
        provider,
        jobs.map(({ handle }) => handle),
        AbortSignal.any([AbortSignal.timeout(settings.callTimeoutMs), stopping]),
      );
      returned(poller, timers.monotonic());
      if (jobs.length > 1) return shareOut(batch, answers, poller);
      for (const { active, handle } of jobs)
        answer(active, answers.get(handle.upstreamId) ?? 'unanswered', poller);
    } catch (error) {
      if (stopping.aborted) return;
      const failure = asUpstreamError(error);
      if (isOwnTrouble(error)) poller.unsentSince ??= timers.monotonic();
      else returned(poller, timers.monotonic());
      logFailure(log, poller.state, jobs.length, failure);
      if (isSilence(error)) poller.state.checkHealth();
      // The rate limit applies to the account, so other polls would fail too.
      if (failure.reason === 'rate_limited') {
        parts.tracker.limited(poller.state);
        poller.pausedUntil = later(timers.monotonic(), failure.retryAfterMs ?? LIMITED_MS);
      }
      for (const { active } of jobs) answer(active, failure, poller);
    }
  }

  function shareOut(batch: readonly ActiveTask[], answers: Answers, poller: AccountPoller): void {
    const { waiting } = poller;
    for (const active of batch) if (!waiting.has(active)) active.dueAt ??= timers.monotonic();
    const asked = batch.filter((active) => waiting.has(active));
    const { told, alone } = poller.queue.share(asked, answers, timers.monotonic());
    if (poller.queue.requests() > 0) parts.tracker.batched(poller.state, told.length, alone);
    for (const [active, polled] of told) {
      active.dueAt = undefined;
      answer(active, polled, poller);
    }
  }

  /** A task that was woken during the poll does not wait for its answer any more: it is polled again as soon as it does. */
  function answer(active: ActiveTask, polled: Polled, { waiting }: AccountPoller): void {
    const resolve = waiting.get(active);
    if (resolve) resolve(polled);
    else active.dueAt ??= timers.monotonic();
  }

  return {
    next(active) {
      const poller = pollerOf(active);
      return new Promise((resolve) => {
        const end = (polled?: Polled) => {
          cancelTimer();
          poller.queue.leave(active);
          poller.waiting.delete(active);
          active.wake = undefined;
          // Only answers come in large numbers that have work to do.
          if (polled === undefined) resolve(undefined);
          else turns(() => resolve(polled));
        };
        const due = () => {
          poller.queue.due(active, timers.monotonic());
          pump(poller);
        };
        poller.waiting.set(active, end);
        poller.queue.wait(active);
        active.wake = end;
        const ms = active.dueAt === undefined ? 0 : msBetween(timers.monotonic(), active.dueAt);
        const cancelTimer = ms > 0 ? timers.after(ms, due) : () => undefined;
        if (ms <= 0) due();
      });
    },
    pollSoon(active) {
      active.dueAt = timers.monotonic();
      const poller = pollers.get(active.task.attempt?.accountId ?? '');
      if (!poller?.waiting.has(active)) return;
      poller.queue.due(active, timers.monotonic());
      pump(poller);
    },
    // Only those of the account: a node may have a hundred times as many.
    planAgain: (accountId) => planSome([...(pollers.get(accountId)?.waiting.keys() ?? [])], timers),
    polls: () => pollsOf(pollers, activeTasks, timers.monotonic()),
  };
}

function returned(poller: AccountPoller, now: Moment): void {
  poller.returnedAt = now;
  poller.unsentSince = undefined;
}

function planSome(rest: ActiveTask[], timers: Timers): void {
  const soon = later(timers.monotonic(), SOON_MS);
  for (const active of rest.splice(-PLANNED_AT_ONCE)) {
    if (active.pollFailures > 0 || active.dueAt === undefined || active.dueAt < soon) continue;
    active.dueAt = undefined;
    active.wake?.();
  }
  if (rest.length > 0) timers.after(PLANNED_PAUSE_MS, () => planSome(rest, timers));
}

function newAccountPoller(
  state: AccountState,
  tracker: Pick<Tracker, 'rate' | 'weighAgain'>,
  timers: MonotonicClock,
): AccountPoller {
  const { account, limiter } = state;
  const { provider, limits } = account;
  const queue = createPollQueue({
    most: provider.pollMany ? limits.pollBatch : 1,
    choose: provider.pollMany && provider.chooseJobs && chooser(provider.chooseJobs, timers),
    weighAgain: (active) => tracker.weighAgain(active, state),
  });
  // A permit that nobody can take is lost to the other nodes, too.
  const wanted = () =>
    poller.inFlight >= POLL_CONCURRENCY || poller.pausedUntil > timers.monotonic() ? 0 : queue.requests();
  const poller: AccountPoller = {
    state,
    permits: limiter.openPermits('poll', tracker.rate(state), wanted),
    queue,
    waiting: new Map(),
    inFlight: 0,
    pausedUntil: LONG_AGO,
    cancelWake: undefined,
    returnedAt: LONG_AGO,
    inFlightSince: undefined,
    unsentSince: undefined,
  };
  return poller;
}

/** Of a job that something has told to have changed: more than that of any other. Milliseconds. */
const TOLD_MS = 1e9;

function chooser(chooseJobs: NonNullable<Provider['chooseJobs']>, timers: MonotonicClock): ChooseTasks {
  return (candidates) => {
    const now = timers.monotonic();
    const byId = new Map<string, ActiveTask>();
    const due: DueJob[] = [];
    for (const active of candidates) {
      const handle = handleOf(active.task.attempt);
      // Such a job has to be answered for, which needs no request.
      if (!handle) return [active];
      byId.set(handle.upstreamId, active);
      due.push({ handle, expectedDelayMs: Math.min(TOLD_MS, urgencyOf(active.tracked, now) ** 2) });
    }
    return chooseJobs(due).flatMap(({ upstreamId }) => byId.get(upstreamId) ?? []);
  };
}

function logFailure(
  log: PollerParts['log'],
  { account }: AccountState,
  tasks: number,
  failure: UpstreamError,
): void {
  const { reason, detail } = failure;
  log.warn(
    { event: 'upstream.poll_failed', account: account.id, tasks, reason, detail },
    'polling upstream failed',
  );
}

async function callProvider(
  provider: Provider,
  handles: readonly Handle[],
  signal: AbortSignal,
): Promise<Answers> {
  const [first] = handles;
  if (provider.pollMany && handles.length > 1) return provider.pollMany(handles, signal);
  return first ? new Map([[first.upstreamId, await provider.poll(first, signal)]]) : new Map();
}

/** The state of the polls of each account at the moment. */
function* pollsOf(
  pollers: ReadonlyMap<string, AccountPoller>,
  activeTasks: Iterable<ActiveTask>,
  now: Moment,
): Generator<AccountPolls> {
  /** By account: since when its longest overdue poll is. */
  const overdue = new Map<string | undefined, Moment>();
  for (const { dueAt = now, task } of activeTasks) {
    const accountId = task.attempt?.accountId;
    if (task.phase === 'running' && dueAt < (overdue.get(accountId) ?? now)) overdue.set(accountId, dueAt);
  }
  for (const [account, { returnedAt, inFlightSince, pausedUntil, unsentSince }] of pollers) {
    const dueSince = unsentSince ?? overdue.get(account);
    yield { account, dueSince, returnedAt, inFlightSince, pausedUntil };
  }
}
