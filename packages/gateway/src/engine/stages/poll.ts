import type { AccountState } from '../../limits/account.ts';
import { createTokenBucket, type TokenBucket } from '../../limits/tokenBucket.ts';
import { isOwnTrouble } from '../../providers/http/lostCall.ts';
import type { Answer, Handle, UpstreamError } from '../../providers/provider.ts';
import { taskError } from '../../tasks/reasons.ts';
import type { Attempt, Task } from '../../tasks/task.ts';
import { LONG_AGO, later, type Moment, msBetween } from '../../time/clock.ts';
import { type Hand, type Hands, releaseSlot } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import type { AccountPolls } from './pollWatch.ts';
import { asUpstreamError } from './submit.ts';

/** Asks upstream about running tasks, when the scheduler says. Questions live in memory; only moves are stored. */
export interface Tracking {
  track(hand: Hand): void;
  /** Asks now: a hint said that something happened. */
  askNow(hand: Hand): void;
  /** How the questions of each account are doing. */
  polls(): Iterable<AccountPolls>;
  stop(): void;
}

interface TrackingParts extends EngineParts {
  readonly hands: Hands;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  /** The upstream has finished: fetch the bytes. */
  readonly finished: (hand: Hand) => void;
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
  readonly due: Set<Hand>;
  asking: number;
  pausedUntil: Moment;
  cancelWake: (() => void) | undefined;
  /** As in `AccountPolls`. */
  settledAt: Moment;
  askingSince: Moment | undefined;
  /** Since when questions fail that never reached the upstream. */
  unsentSince: Moment | undefined;
}

export function createTracking(parts: TrackingParts): Tracking {
  const { hands, clock, timers, scheduler, settings, log } = parts;
  const askers = new Map<string, Asker>();
  const stopping = new AbortController();

  function askerOf(hand: Hand): Asker | undefined {
    const id = hand.task.attempt?.accountId;
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

  const awaited = (hand: Hand): boolean => hand.task.phase === 'running' && hands.drives(hand);

  function scheduleNext(hand: Hand, asker: Asker): void {
    const situation = situationOf(hand);
    hands.report(hand, hand.progress, clock.now() + scheduler.remaining(situation));
    const delay = scheduler.nextDelay({
      ...situation,
      minIntervalMs: asker.state.account.limits.minAskIntervalMs,
    });
    wait(hand, asker, delay);
  }

  function situationOf(hand: Hand) {
    return {
      ageMs: ageOf(hand),
      typical: parts.facts(hand.task).typical,
      ...(hand.progress === undefined ? {} : { progress: hand.progress }),
    };
  }

  /** Since the upstream began with it, or took it. The stored time is read once; from there on the monotonic clock counts. */
  function ageOf(hand: Hand): number {
    const at = hand.task.startedAt ?? hand.task.attempt?.submittedAt ?? hand.task.createdAt;
    if (hand.ageFrom?.at !== at) {
      hand.ageFrom = { at, moment: later(timers.monotonic(), Math.min(0, at - clock.now())) };
    }
    return msBetween(hand.ageFrom.moment, timers.monotonic());
  }

  function wait(hand: Hand, asker: Asker, ms: number): void {
    hand.cancelTimer?.();
    hand.dueAt = later(timers.monotonic(), ms);
    hand.cancelTimer = timers.after(ms, () => {
      asker.due.add(hand);
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
      for (const hand of batch) {
        asker.due.delete(hand);
        hand.dueAt = undefined;
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

  async function ask(batch: readonly Hand[], asker: Asker): Promise<void> {
    const asked = batch.flatMap((hand) => {
      const handle = awaited(hand) ? handleOf(hand.task.attempt) : undefined;
      return handle ? [{ hand, handle }] : [];
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
        asked.map(({ hand, handle }) => {
          const answer = answers.get(handle.upstreamId);
          return answer ? heard(hand, asker, answer) : unheard(hand, asker, undefined);
        }),
      );
    } catch (error) {
      if (stopping.signal.aborted) return;
      const failure = asUpstreamError(error);
      if (isOwnTrouble(error)) asker.unsentSince ??= timers.monotonic();
      else settled(asker);
      log.warn(
        {
          account: asker.state.account.id,
          tasks: asked.length,
          reason: failure.reason,
          detail: failure.detail,
        },
        'asking upstream failed',
      );
      // A limit is the account's, not the task's: no other question fares better.
      if (failure.reason === 'rate_limited')
        asker.pausedUntil = later(timers.monotonic(), failure.retryAfterMs ?? RETRY_MS);
      for (const { hand } of asked) await unheard(hand, asker, failure);
    }
  }

  function settled(asker: Asker): void {
    asker.settledAt = timers.monotonic();
    asker.unsentSince = undefined;
  }

  /** A question that failed is never a verdict on the task: ask again later. */
  async function unheard(hand: Hand, asker: Asker, failure: UpstreamError | undefined): Promise<void> {
    if (!awaited(hand)) return;
    if (timers.monotonic() > later(hand.deadline, LAST_LOOK_MS)) return expire(hand);
    hand.askFailures += 1;
    const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(hand.askFailures - 1, 10));
    wait(hand, asker, Math.max(failure?.retryAfterMs ?? 0, backOff));
  }

  async function heard(hand: Hand, asker: Asker, answer: Answer): Promise<void> {
    if (answer.state !== 'missing') {
      hand.missingSince = undefined;
      hand.askFailures = 0;
    }
    switch (answer.state) {
      case 'succeeded':
        if (
          await hands.apply(hand, { type: 'upstream_succeeded', result: answer.result }, { insist: true })
        ) {
          releaseSlot(hand);
          parts.finished(hand);
        }
        return;
      case 'failed': {
        const { reason, message, detail } = answer;
        const outcome = reason === 'cancelled' ? 'cancelled' : 'failed';
        await hands.apply(
          hand,
          { type: 'failed', error: taskError(reason, message), outcome, ...(detail ? { detail } : {}) },
          { insist: true, only: 'running' },
        );
        return;
      }
      case 'missing':
        return missing(hand, asker, answer.detail);
      case 'in_progress':
        await hands.apply(hand, { type: 'work_started' }, { insist: true });
        break;
      case 'queued':
        break;
    }
    if (!awaited(hand)) return;
    if (timers.monotonic() > hand.deadline) return expire(hand);
    if (answer.progress !== undefined) hands.report(hand, answer.progress, hand.expectedAt ?? clock.now());
    scheduleNext(hand, asker);
  }

  /** Replicas lag, and an incident upstream may last for hours: a job that is not known now may finish, and be billed, all the same. */
  async function missing(hand: Hand, asker: Asker, detail: string | undefined): Promise<void> {
    const now = timers.monotonic();
    if (hand.missingSince === undefined) {
      hand.missingSince = now;
      const { id: task, attempt } = hand.task;
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
      hand.task.cancelRequestedAt !== undefined && msBetween(hand.missingSince, now) > CANCELLED_GRACE_MS;
    if (isCancelled || now > hand.deadline) return expire(hand, MISSING, detail);
    return unheard(hand, asker, undefined);
  }

  async function expire(hand: Hand, message = EXPIRED, detail?: string): Promise<void> {
    const expired = await hands.apply(
      hand,
      {
        type: 'failed',
        error: taskError('expired', message),
        outcome: 'expired',
        ...(detail ? { detail } : {}),
      },
      // Another question may have been answered meanwhile: a finished task is not failed any more.
      { insist: true, only: 'running' },
    );
    if (expired) parts.expired(expired);
  }

  return {
    track(hand) {
      const asker = askerOf(hand);
      if (asker) scheduleNext(hand, asker);
      else {
        log.error(
          { task: hand.task.id, account: hand.task.attempt?.accountId },
          'the account of a running task is not configured any more; configure it again or the task will expire',
        );
        hand.cancelTimer = timers.after(msBetween(timers.monotonic(), hand.deadline), () => {
          expire(hand).catch((error) =>
            log.error({ task: hand.task.id, err: error }, 'expiring a task failed; the next start does it'),
          );
        });
      }
    },
    askNow(hand) {
      const asker = askerOf(hand);
      if (!asker || !awaited(hand)) return;
      hand.cancelTimer?.();
      hand.dueAt = timers.monotonic();
      asker.due.add(hand);
      pump(asker);
    },
    *polls() {
      const now = timers.monotonic();
      const overdue = new Map<Asker, Moment>();
      for (const hand of hands) {
        const { dueAt } = hand;
        if (dueAt === undefined || dueAt > now || hand.task.phase !== 'running') continue;
        const asker = askers.get(hand.task.attempt?.accountId ?? '');
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
