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

/** What this node knows of an upstream account at the moment. */
export interface AccountState {
  readonly account: Account;
  /** This node's part of its limits. */
  readonly share: AccountShare;
  /** Milliseconds until a task could be submitted: 0 means at once, undefined that a place must fall free first. */
  readyIn(): number | undefined;
  /** Takes a place and a start. */
  take(): void;
  /** Takes a place for a task found running already, past the limit if need be. */
  occupy(): void;
  release(): void;
  readonly inUse: number;
  /** Places in use, as a part of those that this node has. */
  load(): number;
  /** Whether it is left alone after a failure, or one submit at a time feels the way. */
  blocked(): boolean;
  /** Why it is left alone, as far as is known, and until when (milliseconds UTC); undefined where it is not. */
  trouble(): { readonly reason: Reason | undefined; readonly retryAt: number | undefined } | undefined;
  /** Leaves it alone no longer: the next task feels the way at once. */
  retry(): void;
  /** Notes a failure that is the account's rather than the task's: no more submits for a while. */
  backOff(error: UpstreamError): void;
  /** Notes that the upstream works. */
  worked(): void;
  /** Notes that a start was taken and not made: nothing is known of the upstream by that. */
  untried(): void;
  /** Called whenever a place falls free or the account recovers. */
  onReady(listener: () => void): void;
}

/** Back-off after the first failure in a row, doubling to the maximum. Milliseconds. */
const BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
/** A refused credential or an empty balance is mended by a person, not by time: look again this often. */
const BROKEN_ACCOUNT_MS = 300_000;

/** Limits, back-off and circuit breaker of one account. After a failure one submit at a time feels the way. */
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
  /** For what is shown: told once, so that it does not waver with two clocks. */
  let retryAt = 0;
  let reason: Reason | undefined;
  const announce = () => {
    for (const listener of listeners) listener();
  };
  /** Never earlier than what is known already: of two refusals the longer one holds. */
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
      // What this node holds beyond its share it has no use for any more: others wait for it.
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
      const own =
        error.retry === 'elsewhere' ? BROKEN_ACCOUNT_MS : BACK_OFF_MS * 2 ** Math.min(failures - 1, 10);
      // Jitter keeps nodes that were refused together from coming back together.
      const spread =
        Math.min(own, error.retry === 'elsewhere' ? own : MAX_BACK_OFF_MS) * (0.75 + random() / 2);
      // Nothing but this holds back the tasks of a broken account, whatever shorter wait the upstream names.
      const wait =
        error.retry === 'elsewhere'
          ? Math.max(error.retryAfterMs ?? 0, spread)
          : (error.retryAfterMs ?? spread);
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
    untried() {
      starting = Math.max(0, starting - 1);
      announce();
    },
    onReady(listener) {
      listeners.push(listener);
    },
  };
}
