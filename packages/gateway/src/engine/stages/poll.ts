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

/** Asks upstream about running tasks, when the scheduler says. Questions live in memory; only moves are stored. */
export interface Polling {
  track(active: ActiveTask): void;
  /** Asks now: a hint said that something happened. */
  askNow(active: ActiveTask): void;
  /** How the questions of each account are doing. */
  polls(): Iterable<AccountPolls>;
  stop(): void;
}

interface PollingParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  /** The upstream has finished: fetch the bytes. */
  readonly finished: (active: ActiveTask) => void;
  /** The deadline has passed while the upstream was at work. */
  readonly expired: (task: Task) => void;
}

/** Questions under way at a time for one account; beyond it the account's rate limit is what bounds them. */
const ASK_CONCURRENCY = 16;
/** Wait after a failed question, doubling to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** How long an upstream may not know a job that it was asked to cancel, before the job counts as gone. */
const CANCELLED_GRACE_MS = 600_000;
/** For the caller, where the deadline passes. */
const EXPIRED = 'The upstream provider did not finish the task before its deadline; submit it again.';
const MISSING = 'The upstream provider no longer knew this task when its deadline passed; submit it again.';
/** How long past its deadline a task waits for an upstream that cannot be asked. */
const LAST_LOOK_MS = 600_000;

/** The questions of one account: what is due, and how fast it may go. */
interface Asker {
  readonly state: AccountState;
  readonly bucket: TokenBucket;
  readonly due: Set<ActiveTask>;
  asking: number;
  pausedUntil: Moment;
  cancelWake: (() => void) | undefined;
  /** As in `AccountPolls`. */
  settledAt: Moment;
  askingSince: Moment | undefined;
  /** Since when questions fail that never reached the upstream. */
  unsentSince: Moment | undefined;
}

export function createPolling(parts: PollingParts): Polling {
  const { activeTasks, clock, timers, scheduler, settings, log } = parts;
  const askers = new Map<string, Asker>();
  const stopping = new AbortController();

  function askerOf(active: ActiveTask): Asker | undefined {
    const id = active.task.attempt?.accountId;
    const state = id === undefined ? undefined : parts.accountStates.get(id);
    if (!state) return undefined;
    let asker = askers.get(state.account.id);
    if (!asker) {
      const bucket = createTokenBucket(state.account.limits.asksPerSecond, timers, {
        share: state.share.rate,
      });
      const made: Asker = {
        state,
        bucket,
        due: new Set(),
        asking: 0,
        pausedUntil: LONG_AGO,
        cancelWake: undefined,
        settledAt: LONG_AGO,
        askingSince: undefined,
        unsentSince: undefined,
      };
      askers.set(state.account.id, made);
      state.share.onChange(() => pump(made));
      asker = made;
    }
    return asker;
  }

  const awaited = (active: ActiveTask): boolean =>
    active.task.phase === 'running' && activeTasks.drives(active);

  function scheduleNext(active: ActiveTask, asker: Asker): void {
    const situation = situationOf(active);
    activeTasks.report(active, active.progress, clock.now() + scheduler.remaining(situation));
    const delay = scheduler.nextDelay({
      ...situation,
      minIntervalMs: asker.state.account.limits.minAskIntervalMs,
    });
    wait(active, asker, delay);
  }

  function situationOf(active: ActiveTask) {
    return {
      ageMs: ageOf(active),
      typical: parts.facts(active.task).typical,
      ...(active.progress === undefined ? {} : { progress: active.progress }),
    };
  }

  /** Since the upstream began with it, or took it. The stored time is read once; from there on the monotonic clock counts. */
  function ageOf(active: ActiveTask): number {
    const at = active.task.startedAt ?? active.task.attempt?.submittedAt ?? active.task.createdAt;
    if (active.ageFrom?.at !== at) {
      active.ageFrom = { at, moment: later(timers.monotonic(), Math.min(0, at - clock.now())) };
    }
    return msBetween(active.ageFrom.moment, timers.monotonic());
  }

  function wait(active: ActiveTask, asker: Asker, ms: number): void {
    active.cancelTimer?.();
    active.dueAt = later(timers.monotonic(), ms);
    active.cancelTimer = timers.after(ms, () => {
      asker.due.add(active);
      pump(asker);
    });
  }

  function pump(asker: Asker): void {
    const { provider, limits } = asker.state.account;
    asker.cancelWake?.();
    asker.cancelWake = undefined;
    while (asker.due.size > 0 && asker.asking < ASK_CONCURRENCY && !stopping.signal.aborted) {
      const ms = Math.max(asker.bucket.readyIn(), msBetween(timers.monotonic(), asker.pausedUntil));
      if (ms > 0) {
        // Without any share of the account there is no time to wait for, but a change.
        if (ms < Number.POSITIVE_INFINITY) asker.cancelWake = timers.after(ms, () => pump(asker));
        return;
      }
      const batch = [...asker.due].slice(0, provider.askMany ? limits.askBatch : 1);
      for (const active of batch) {
        asker.due.delete(active);
        active.dueAt = undefined;
      }
      asker.bucket.take();
      asker.asking += 1;
      asker.askingSince = timers.monotonic();
      void ask(batch, asker).finally(() => {
        asker.asking -= 1;
        if (asker.asking === 0) asker.askingSince = undefined;
        pump(asker);
      });
    }
  }

  async function ask(batch: readonly ActiveTask[], asker: Asker): Promise<void> {
    const asked = batch.flatMap((active) => {
      const handle = awaited(active) ? handleOf(active.task.attempt) : undefined;
      return handle ? [{ active, handle }] : [];
    });
    if (asked.length === 0) return;
    const { provider } = asker.state.account;
    const signal = AbortSignal.any([AbortSignal.timeout(settings.callTimeoutMs), stopping.signal]);
    try {
      const answers = await askAll(
        provider,
        asked.map(({ handle }) => handle),
        signal,
      );
      settled(asker);
      // Together, so that what is to be stored shares a transaction: the last of many must not wait for all the others.
      await Promise.all(
        asked.map(({ active, handle }) => {
          const answer = answers.get(handle.upstreamId);
          return answer ? heard(active, asker, answer) : unheard(active, asker, undefined);
        }),
      );
    } catch (error) {
      if (stopping.signal.aborted) return;
      const failure = asUpstreamError(error);
      if (isOwnTrouble(error)) asker.unsentSince ??= timers.monotonic();
      else settled(asker);
      log.warn(
        {
          event: 'upstream.poll_failed',
          account: asker.state.account.id,
          tasks: asked.length,
          reason: failure.reason,
          detail: failure.detail,
        },
        'polling upstream failed',
      );
      // A limit is the account's, not the task's: no other question fares better.
      if (failure.reason === 'rate_limited')
        asker.pausedUntil = later(timers.monotonic(), failure.retryAfterMs ?? RETRY_MS);
      for (const { active } of asked) await unheard(active, asker, failure);
    }
  }

  function settled(asker: Asker): void {
    asker.settledAt = timers.monotonic();
    asker.unsentSince = undefined;
  }

  /** A question that failed is never a verdict on the task: ask again later. */
  async function unheard(
    active: ActiveTask,
    asker: Asker,
    failure: UpstreamError | undefined,
  ): Promise<void> {
    if (!awaited(active)) return;
    if (timers.monotonic() > later(active.deadline, LAST_LOOK_MS)) return expire(active);
    active.askFailures += 1;
    const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(active.askFailures - 1, 10));
    wait(active, asker, Math.max(failure?.retryAfterMs ?? 0, backOff));
  }

  async function heard(active: ActiveTask, asker: Asker, answer: Answer): Promise<void> {
    if (answer.state !== 'missing') {
      active.missingSince = undefined;
      active.askFailures = 0;
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
        return missing(active, asker, answer.detail);
      case 'in_progress':
        await activeTasks.apply(active, { type: 'work_started' }, { retryUntilWritten: true });
        break;
      case 'queued':
        break;
    }
    if (!awaited(active)) return;
    if (timers.monotonic() > active.deadline) return expire(active);
    if (answer.progress !== undefined)
      activeTasks.report(active, answer.progress, active.expectedAt ?? clock.now());
    scheduleNext(active, asker);
  }

  /** Replicas lag, and an incident upstream may last for hours: a job that is not known now may finish, and be billed, all the same. */
  async function missing(active: ActiveTask, asker: Asker, detail: string | undefined): Promise<void> {
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
        'the upstream does not know a job that it took; it is asked again until the deadline of the task',
      );
    }
    const isCancelled =
      active.task.cancelRequestedAt !== undefined && msBetween(active.missingSince, now) > CANCELLED_GRACE_MS;
    if (isCancelled || now > active.deadline) return expire(active, MISSING, detail);
    return unheard(active, asker, undefined);
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
      // Another question may have been answered meanwhile: a finished task is not failed any more.
      { retryUntilWritten: true, only: 'running' },
    );
    if (expired) parts.expired(expired);
  }

  return {
    track(active) {
      const asker = askerOf(active);
      if (asker) scheduleNext(active, asker);
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
    askNow(active) {
      const asker = askerOf(active);
      if (!asker || !awaited(active)) return;
      active.cancelTimer?.();
      active.dueAt = timers.monotonic();
      asker.due.add(active);
      pump(asker);
    },
    *polls() {
      const now = timers.monotonic();
      const overdue = new Map<Asker, Moment>();
      for (const active of activeTasks) {
        const { dueAt } = active;
        if (dueAt === undefined || dueAt > now || active.task.phase !== 'running') continue;
        const asker = askers.get(active.task.attempt?.accountId ?? '');
        if (asker && dueAt < (overdue.get(asker) ?? now)) overdue.set(asker, dueAt);
      }
      for (const asker of askers.values()) {
        const { settledAt, askingSince, pausedUntil, unsentSince } = asker;
        const dueSince = unsentSince ?? overdue.get(asker);
        yield { account: asker.state.account.id, dueSince, settledAt, askingSince, pausedUntil };
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

async function askAll(
  provider: AccountState['account']['provider'],
  handles: readonly Handle[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Answer>> {
  const [first] = handles;
  if (provider.askMany && handles.length > 1) return provider.askMany(handles, signal);
  return first ? new Map([[first.upstreamId, await provider.ask(first, signal)]]) : new Map();
}
