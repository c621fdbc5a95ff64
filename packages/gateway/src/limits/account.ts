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
import { type AccountShare, wholeShare } from './limits.ts';
import { createTokenBucket } from './tokenBucket.ts';

/** This node's current view of an upstream account: limits, back-off and circuit breaker. */
export interface AccountState {
  readonly account: Account;
  /** This node's share of its limits. */
  readonly share: AccountShare;
  /** Milliseconds until a task could be submitted: 0 means at once, undefined that a slot must become free first. */
  readyIn(): number | undefined;
  /** Takes a slot and a token of the start rate. */
  take(): void;
  /** Takes a slot for a task that is already running, even beyond the limit. */
  occupy(): void;
  release(): void;
  readonly inUse: number;
  /** Slots in use, as a fraction of this node's slots. */
  load(): number;
  /** Whether the account is backing off after a failure, or only probed with one submission at a time. */
  blocked(): boolean;
  /** Why the account is blocked, if known, and until when (milliseconds UTC); undefined if it is not blocked. */
  trouble(): { readonly reason: Reason | undefined; readonly retryAt: number | undefined } | undefined;
  /** Ends the back-off: the next task probes the account at once. */
  retry(): void;
  /** Records a failure of the account rather than of the task: no submissions for a while. */
  backOff(error: UpstreamError): void;
  /** Records that the upstream works. */
  worked(): void;
  /** Records that a submission was not sent, which says nothing about the upstream. */
  cancelStart(): void;
  /** Called whenever a slot becomes free or the account recovers. */
  onReady(listener: () => void): void;
}

/** Back-off after the first of consecutive failures, doubling up to the maximum. Milliseconds. */
const BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
/** Back-off after a refused credential or an empty balance, which a person has to fix. Milliseconds. */
const BROKEN_ACCOUNT_MS = 300_000;

/** Limits, back-off and circuit breaker of one account. After a failure the account is probed with one submission at a time. */
export function createAccountState(
  account: Account,
  clock: MonotonicClock,
  share: AccountShare = wholeShare(account),
  random: () => number = Math.random,
  wall: Clock = systemClock,
): AccountState {
  const starts = createTokenBucket(account.limits.startsPerMinute / 60, clock, {
    burst: Math.ceil(account.limits.startsPerMinute / 6),
    share: share.rate,
  });
  const listeners: (() => void)[] = [];
  let inUse = 0;
  let starting = 0;
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
  const blocked = () => failures > 0 || blockedUntil > clock.monotonic();
  share.onChange(announce);
  share.onTrouble((trouble: AccountTrouble) => {
    failures = trouble.failures === 0 ? 0 : Math.max(failures, trouble.failures);
    reason = isReason(trouble.reason) ? trouble.reason : undefined;
    if (trouble.waitMs > 0) block(trouble.waitMs);
    announce();
  });

  return {
    account,
    share,
    readyIn() {
      if (inUse >= share.places()) return undefined;
      if (failures > 0 && starting > 0) return undefined;
      const wait = Math.max(0, msBetween(clock.monotonic(), blockedUntil), starts.readyIn());
      return wait === Number.POSITIVE_INFINITY ? undefined : wait;
    },
    take() {
      starts.take();
      inUse += 1;
      starting += 1;
    },
    occupy() {
      inUse += 1;
      if (inUse > share.places()) share.note('occupied');
    },
    release() {
      inUse -= 1;
      // A slot beyond this node's share became free: other nodes may be waiting for it.
      if (inUse >= share.places()) share.note('released');
      announce();
    },
    get inUse() {
      return inUse;
    },
    load: () => inUse / Math.max(1, share.places()),
    blocked,
    trouble: () =>
      blocked() ? { reason, retryAt: blockedUntil > clock.monotonic() ? retryAt : undefined } : undefined,
    retry() {
      blockedUntil = LONG_AGO;
      announce();
    },
    backOff(error) {
      failures += 1;
      starting = Math.max(0, starting - 1);
      const wait = backOffMs(error, failures, random);
      reason = error.reason;
      block(wait);
      share.tell({ failures, waitMs: wait, reason, error: error.detail ?? error.message });
      announce();
    },
    worked() {
      starting = Math.max(0, starting - 1);
      if (failures > 0) share.tell({ failures: 0, waitMs: 0 });
      failures = 0;
      announce();
    },
    cancelStart() {
      starting = Math.max(0, starting - 1);
      announce();
    },
    onReady(listener) {
      listeners.push(listener);
    },
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
