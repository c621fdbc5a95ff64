import type { AccountState } from '../../limits/account.ts';
import { createTokenBucket, type TokenBucket } from '../../limits/tokenBucket.ts';
import { isOwnTrouble } from '../../providers/http/lostCall.ts';
import type { Answer, Handle, UpstreamError } from '../../providers/provider.ts';
import { taskError } from '../../tasks/reasons.ts';
import type { Attempt, Task } from '../../tasks/task.ts';
import { LONG_AGO, later, type Moment, msBetween } from '../../time/clock.ts';
import { type ActiveTask, type ActiveTasks, releaseSlot } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import type { AccountPolls } from './pollWatch.ts';
import { asUpstreamError } from './submit.ts';

/** Polls upstreams for running tasks, when the scheduler says so. Polls are kept in memory; only transitions are stored. */
export interface Polling {
  track(active: ActiveTask): void;
  /** Polls at once, after a hint that the job has changed. */
  pollNow(active: ActiveTask): void;
  /** The state of the polls of each account. */
  polls(): Iterable<AccountPolls>;
  stop(): void;
}

interface PollingParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  /** Called when the upstream has finished: the video can be downloaded. */
  readonly finished: (active: ActiveTask) => void;
  /** Called when a task expired while its job was running upstream. */
  readonly expired: (task: Task) => void;
}

/** Concurrent polls per account. Below this, only the account's rate limit bounds them. */
const POLL_CONCURRENCY = 16;
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

/** The polls of one account: what is due, and its rate limit. */
interface Poller {
  readonly state: AccountState;
  readonly bucket: TokenBucket;
  readonly due: Set<ActiveTask>;
  inFlight: number;
  pausedUntil: Moment;
  cancelWake: (() => void) | undefined;
  /** As in `AccountPolls`. */
  settledAt: Moment;
  inFlightSince: Moment | undefined;
  /** Since when polls fail without reaching the upstream. */
  unsentSince: Moment | undefined;
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: the schedule of polls, which polls, hints and cancels all change
export function createPolling(parts: PollingParts): Polling {
  const { activeTasks, clock, timers, scheduler, settings, log } = parts;
  const pollers = new Map<string, Poller>();
  const stopping = new AbortController();

  function pollerOf(active: ActiveTask): Poller | undefined {
    const id = active.task.attempt?.accountId;
    const state = id === undefined ? undefined : parts.accountStates.get(id);
    if (!state) return undefined;
    let poller = pollers.get(state.account.id);
    if (!poller) {
      const bucket = createTokenBucket(state.account.limits.asksPerSecond, timers, {
        share: state.share.rate,
      });
      const made: Poller = {
        state,
        bucket,
        due: new Set(),
        inFlight: 0,
        pausedUntil: LONG_AGO,
        cancelWake: undefined,
        settledAt: LONG_AGO,
        inFlightSince: undefined,
        unsentSince: undefined,
      };
      pollers.set(state.account.id, made);
      state.share.onChange(() => pump(made));
      poller = made;
    }
    return poller;
  }

  const isRunning = (active: ActiveTask): boolean =>
    active.task.phase === 'running' && activeTasks.drives(active);

  function scheduleNext(active: ActiveTask, poller: Poller): void {
    const situation = situationOf(active);
    activeTasks.report(active, active.progress, clock.now() + scheduler.remaining(situation));
    const delay = scheduler.nextDelay({
      ...situation,
      minIntervalMs: poller.state.account.limits.minAskIntervalMs,
    });
    wait(active, poller, delay);
  }

  function situationOf(active: ActiveTask) {
    return {
      ageMs: ageOf(active),
      typical: parts.typicalTime(active.task),
      ...(active.progress === undefined ? {} : { progress: active.progress }),
    };
  }

  /** Milliseconds since the job started, or was submitted. The stored time is converted to the monotonic clock once. */
  function ageOf(active: ActiveTask): number {
    const at = active.task.startedAt ?? active.task.attempt?.submittedAt ?? active.task.createdAt;
    if (active.ageFrom?.at !== at) {
      active.ageFrom = { at, moment: later(timers.monotonic(), Math.min(0, at - clock.now())) };
    }
    return msBetween(active.ageFrom.moment, timers.monotonic());
  }

  function wait(active: ActiveTask, poller: Poller, ms: number): void {
    active.cancelTimer?.();
    active.dueAt = later(timers.monotonic(), ms);
    active.cancelTimer = timers.after(ms, () => {
      poller.due.add(active);
      pump(poller);
    });
  }

  function pump(poller: Poller): void {
    const { provider, limits } = poller.state.account;
    poller.cancelWake?.();
    poller.cancelWake = undefined;
    while (poller.due.size > 0 && poller.inFlight < POLL_CONCURRENCY && !stopping.signal.aborted) {
      const ms = Math.max(poller.bucket.readyIn(), msBetween(timers.monotonic(), poller.pausedUntil));
      if (ms > 0) {
        // While this node has no share of the account, a change of the share calls `pump` again.
        if (ms < Number.POSITIVE_INFINITY) poller.cancelWake = timers.after(ms, () => pump(poller));
        return;
      }
      const batch = [...poller.due].slice(0, provider.askMany ? limits.askBatch : 1);
      for (const active of batch) {
        poller.due.delete(active);
        active.dueAt = undefined;
      }
      poller.bucket.take();
      poller.inFlight += 1;
      poller.inFlightSince = timers.monotonic();
      void poll(batch, poller).finally(() => {
        poller.inFlight -= 1;
        if (poller.inFlight === 0) poller.inFlightSince = undefined;
        pump(poller);
      });
    }
  }

  async function poll(batch: readonly ActiveTask[], poller: Poller): Promise<void> {
    const asked = batch.flatMap((active) => {
      const handle = isRunning(active) ? handleOf(active.task.attempt) : undefined;
      return handle ? [{ active, handle }] : [];
    });
    if (asked.length === 0) return;
    const { provider } = poller.state.account;
    const signal = AbortSignal.any([AbortSignal.timeout(settings.callTimeoutMs), stopping.signal]);
    try {
      const answers = await pollAll(
        provider,
        asked.map(({ handle }) => handle),
        signal,
      );
      settled(poller);
      // Concurrently, so that the writes share a transaction and the last task does not wait for all others.
      await Promise.all(
        asked.map(({ active, handle }) => {
          const answer = answers.get(handle.upstreamId);
          return answer ? handleAnswer(active, poller, answer) : pollLater(active, poller, undefined);
        }),
      );
    } catch (error) {
      if (stopping.signal.aborted) return;
      const failure = asUpstreamError(error);
      if (isOwnTrouble(error)) poller.unsentSince ??= timers.monotonic();
      else settled(poller);
      log.warn(
        {
          event: 'upstream.poll_failed',
          account: poller.state.account.id,
          tasks: asked.length,
          reason: failure.reason,
          detail: failure.detail,
        },
        'polling upstream failed',
      );
      // The rate limit applies to the account, so other polls would fail too.
      if (failure.reason === 'rate_limited')
        poller.pausedUntil = later(timers.monotonic(), failure.retryAfterMs ?? RETRY_MS);
      for (const { active } of asked) await pollLater(active, poller, failure);
    }
  }

  function settled(poller: Poller): void {
    poller.settledAt = timers.monotonic();
    poller.unsentSince = undefined;
  }

  /** A failed poll says nothing about the task: poll again later. */
  async function pollLater(
    active: ActiveTask,
    poller: Poller,
    failure: UpstreamError | undefined,
  ): Promise<void> {
    if (!isRunning(active)) return;
    if (timers.monotonic() > later(active.deadline, LAST_POLL_MS)) return expire(active);
    active.pollFailures += 1;
    const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(active.pollFailures - 1, 10));
    wait(active, poller, Math.max(failure?.retryAfterMs ?? 0, backOff));
  }

  async function handleAnswer(active: ActiveTask, poller: Poller, answer: Answer): Promise<void> {
    if (answer.state !== 'missing') {
      active.missingSince = undefined;
      active.pollFailures = 0;
    }
    switch (answer.state) {
      case 'succeeded':
        if (
          await activeTasks.apply(
            active,
            { type: 'upstream_succeeded', result: answer.result },
            { retryUntilWritten: true },
          )
        ) {
          releaseSlot(active);
          parts.finished(active);
        }
        return;
      case 'failed': {
        const { reason, message, detail } = answer;
        const outcome = reason === 'cancelled' ? 'cancelled' : 'failed';
        await activeTasks.apply(
          active,
          { type: 'failed', error: taskError(reason, message), outcome, ...(detail ? { detail } : {}) },
          { retryUntilWritten: true, only: 'running' },
        );
        return;
      }
      case 'missing':
        return missing(active, poller, answer.detail);
      case 'in_progress':
        await activeTasks.apply(active, { type: 'work_started' }, { retryUntilWritten: true });
        break;
      case 'queued':
        break;
    }
    if (!isRunning(active)) return;
    if (timers.monotonic() > active.deadline) return expire(active);
    if (answer.progress !== undefined)
      activeTasks.report(active, answer.progress, active.expectedAt ?? clock.now());
    scheduleNext(active, poller);
  }

  /** Keeps polling: upstream replicas lag and incidents last for hours, so a job that is unknown now may still finish and be billed. */
  async function missing(active: ActiveTask, poller: Poller, detail: string | undefined): Promise<void> {
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
    return pollLater(active, poller, undefined);
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
      // Another poll may have been answered meanwhile: a finished task must not fail.
      { retryUntilWritten: true, only: 'running' },
    );
    if (expired) parts.expired(expired);
  }

  return {
    track(active) {
      const poller = pollerOf(active);
      if (poller) scheduleNext(active, poller);
      else {
        log.error(
          { event: 'account.missing', task: active.task.id, account: active.task.attempt?.accountId },
          'the account of a running task is not configured; configure it again or the task will expire',
        );
        active.cancelTimer = timers.after(msBetween(timers.monotonic(), active.deadline), () => {
          expire(active).catch((error) =>
            log.error(
              { event: 'task.expire_failed', task: active.task.id, err: error },
              'cannot expire a task; the next start does',
            ),
          );
        });
      }
    },
    pollNow(active) {
      const poller = pollerOf(active);
      if (!poller || !isRunning(active)) return;
      active.cancelTimer?.();
      active.dueAt = timers.monotonic();
      poller.due.add(active);
      pump(poller);
    },
    *polls() {
      const now = timers.monotonic();
      const overdue = new Map<Poller, Moment>();
      for (const active of activeTasks) {
        const { dueAt } = active;
        if (dueAt === undefined || dueAt > now || active.task.phase !== 'running') continue;
        const poller = pollers.get(active.task.attempt?.accountId ?? '');
        if (poller && dueAt < (overdue.get(poller) ?? now)) overdue.set(poller, dueAt);
      }
      for (const poller of pollers.values()) {
        const { settledAt, inFlightSince, pausedUntil, unsentSince } = poller;
        const dueSince = unsentSince ?? overdue.get(poller);
        yield { account: poller.state.account.id, dueSince, settledAt, inFlightSince, pausedUntil };
      }
    },
    stop() {
      stopping.abort();
    },
  };
}

/** Names the job of an attempt upstream; undefined before the upstream has answered with an id. */
export function handleOf(attempt: Attempt | undefined): Handle | undefined {
  if (attempt?.upstreamId === undefined) return undefined;
  const { upstreamId, upstreamModel, idempotencyKey, intendedAt } = attempt;
  return { upstreamId, upstreamModel, idempotencyKey, intendedAt };
}

async function pollAll(
  provider: AccountState['account']['provider'],
  handles: readonly Handle[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Answer>> {
  const [first] = handles;
  if (provider.askMany && handles.length > 1) return provider.askMany(handles, signal);
  return first ? new Map([[first.upstreamId, await provider.ask(first, signal)]]) : new Map();
}
