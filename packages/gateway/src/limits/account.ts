import type { Account } from '../providers/account.ts';
import type { UpstreamError } from '../providers/provider.ts';
import type { AccountTrouble } from '../store/store.ts';
import { isReason, type Reason } from '../tasks/reasons.ts';
import {
  type Clock,
  LONG_AGO,
  later,
  latest,
  type Moment,
  type MonotonicClock,
  msBetween,
  systemClock,
} from '../time/clock.ts';
import type { Health } from './health.ts';
import { type AccountDemand, type AccountLimiter, type Limits, submitRate } from './limits.ts';

/** An upstream account as this node uses it: its limiter, back-off and circuit breaker. */
export interface AccountState {
  readonly account: Account;
  readonly limiter: AccountLimiter;
  /** Milliseconds until a task could be submitted: 0 means at once, undefined that it is not known; `onReady` tells. */
  readyIn(): number | undefined;
  /** A task is about to be submitted: takes a permit, and reserves a place until the intent is written. */
  take(taskId: string): void;
  /** Places in use once another task has one, as a fraction of all. So the larger of two idle accounts is the less loaded. */
  load(): number;
  /** Whether the account is backing off after a failure, or only probed with one submission at a time. */
  blocked(): boolean;
  /** Why the account is blocked, if known, and until when (milliseconds UTC); undefined if it is not blocked. */
  trouble(): { readonly reason: Reason | undefined; readonly retryAt: number | undefined } | undefined;
  /** Ends the back-off: the next task probes the account at once. */
  retry(): void;
  /** Looks whether the server of a fleet's member still answers, after a call that failed. */
  checkHealth(): void;
  /** Records a failure of the account rather than of the task: no submissions for a while. */
  backOff(error: UpstreamError): void;
  /** Records a submission that shows that the upstream works. */
  worked(): void;
  /** Records the end of a submission that says nothing about the upstream, such as one that was not sent. */
  cancelSubmit(): void;
  /** Called whenever a place or a permit may have become free, or the account recovers. */
  onReady(listener: () => void): void;
  /** Ends its checks. */
  stop(): void;
}

export interface AccountStateParts {
  readonly account: Account;
  readonly limits: Pick<Limits, 'open'>;
  readonly demand: AccountDemand;
  readonly clock: MonotonicClock;
  readonly wall?: Clock;
  readonly random?: () => number;
  /** Opens the health of a fleet's member. Others have none: the next task shows whether they answer. */
  readonly health?: ((changed: () => void) => Health) | undefined;
}

/** Back-off after the first of consecutive failures, doubling up to the maximum. Milliseconds. */
const BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
/** Back-off after a refused credential or an empty balance, which a person has to fix. Milliseconds. */
const BROKEN_ACCOUNT_MS = 300_000;

/** Limits, back-off and circuit breaker of one account. After a failure the account is probed with one submission at a time. */
export function createAccountState(parts: AccountStateParts): AccountState {
  const { account, demand, clock, wall = systemClock, random = Math.random } = parts;
  const limiter = parts.limits.open(account, demand);
  const permits = limiter.openPermits('submit', submitRate(account), wanted);
  const listeners: (() => void)[] = [];
  /** Submissions whose outcome this node does not know yet. */
  let submitting = 0;
  let failures = 0;
  let blockedUntil: Moment = LONG_AGO;
  /** The end of the block for display, in milliseconds UTC: computed once, so that it does not jitter between two clocks. */
  let retryAt = 0;
  let reason: Reason | undefined;
  const announce = () => {
    for (const listener of listeners) listener();
  };
  /** Blocks the account. Of two blocks the longer one applies. */
  const block = (waitMs: number) => {
    const until = later(clock.monotonic(), waitMs);
    if (until > blockedUntil) retryAt = wall.now() + waitMs;
    blockedUntil = latest(blockedUntil, until);
  };
  const health = parts.health?.(announce);
  const isBackingOff = () => blockedUntil > clock.monotonic();
  const isDown = () => health?.isDown === true;
  const blocked = () => failures > 0 || isBackingOff() || isDown();
  limiter.onChange(announce);
  permits.onReady(announce);
  limiter.onTrouble((trouble: AccountTrouble) => {
    failures = trouble.failures === 0 ? 0 : Math.max(failures, trouble.failures);
    reason = isReason(trouble.reason) ? trouble.reason : undefined;
    if (trouble.waitMs > 0) {
      block(trouble.waitMs);
      health?.check();
    }
    announce();
  });

  /** How many tasks could be submitted now if the rate allowed it. */
  function wanted(): number {
    const places = Math.max(0, account.limits.inFlight - limiter.placesUsed());
    const most = isBackingOff() || isDown() ? 0 : failures > 0 ? Math.min(places, 1 - submitting) : places;
    if (most <= 0) return 0;
    const waiting = demand().reduce((sum, tasks) => sum + tasks.waiting, 0);
    // A permit that nobody can take is lost to the other nodes, too.
    return waiting === 0 || limiter.placeReadyIn() === undefined ? 0 : Math.min(most, waiting);
  }

  return {
    account,
    limiter,
    readyIn() {
      const place = limiter.placeReadyIn();
      if (place === undefined || isDown()) return undefined;
      if (failures > 0 && submitting > 0) return undefined;
      const wait = Math.max(place, msBetween(clock.monotonic(), blockedUntil));
      // A permit that is asked for now would be lost by then.
      if (wait > 0) return wait;
      const permit = permits.readyIn();
      return permit === Number.POSITIVE_INFINITY ? undefined : permit;
    },
    take(taskId) {
      permits.take();
      limiter.beginIntent(taskId);
      submitting += 1;
    },
    load: () => (limiter.placesUsed() + 1) / account.limits.inFlight,
    blocked,
    trouble() {
      if (!blocked()) return undefined;
      const checkIn = health?.nextCheckIn();
      if (checkIn !== undefined) return { reason: 'upstream_unavailable', retryAt: wall.now() + checkIn };
      return { reason, retryAt: isBackingOff() ? retryAt : undefined };
    },
    checkHealth: () => health?.check(),
    retry() {
      blockedUntil = LONG_AGO;
      health?.check();
      announce();
    },
    backOff(error) {
      failures += 1;
      submitting = Math.max(0, submitting - 1);
      const wait = backOffMs(error, failures, random);
      reason = error.reason;
      block(wait);
      health?.check();
      limiter.report({ failures, waitMs: wait, reason, error: error.detail ?? error.message });
      announce();
    },
    worked() {
      submitting = Math.max(0, submitting - 1);
      if (failures > 0) limiter.report({ failures: 0, waitMs: 0 });
      failures = 0;
      announce();
    },
    cancelSubmit() {
      submitting = Math.max(0, submitting - 1);
      announce();
    },
    onReady(listener) {
      listeners.push(listener);
    },
    stop: () => health?.stop(),
  };
}

/** The back-off after a failure that is the last of `failures` consecutive ones. */
function backOffMs({ retry, retryAfterMs }: UpstreamError, failures: number, random: () => number): number {
  // Jitter keeps nodes that were refused together from retrying together.
  const jitter = 0.75 + random() / 2;
  // A broken account backs off at least this long, even if the upstream names a shorter delay.
  if (retry === 'elsewhere') return Math.max(retryAfterMs ?? 0, BROKEN_ACCOUNT_MS * jitter);
  return retryAfterMs ?? Math.min(MAX_BACK_OFF_MS, BACK_OFF_MS * 2 ** Math.min(failures - 1, 10)) * jitter;
}
