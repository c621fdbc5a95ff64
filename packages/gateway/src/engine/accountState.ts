import type { Account } from '../providers/account.ts';
import type { UpstreamError } from '../providers/provider.ts';
import type { Clock } from '../tasks/clock.ts';
import { createTokenBucket } from './tokenBucket.ts';

/** What this node knows of an upstream account at the moment. */
export interface AccountState {
  readonly account: Account;
  /** When a task could be submitted: now or earlier means at once, undefined means that a place must fall free first. */
  readyAt(now: number): number | undefined;
  /** Takes a place and a start. */
  take(): void;
  /** Takes a place for a task found running already, past the limit if need be. */
  occupy(): void;
  release(): void;
  /** Places in use, as a share of the limit. */
  load(): number;
  /** Notes a failure that is the account's rather than the task's: no more submits for a while. */
  backOff(error: UpstreamError): void;
  /** Notes that the upstream works. */
  worked(): void;
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
  clock: Clock,
  random: () => number = Math.random,
): AccountState {
  const starts = createTokenBucket(
    account.limits.startsPerMinute / 60,
    clock,
    Math.ceil(account.limits.startsPerMinute / 6),
  );
  const listeners: (() => void)[] = [];
  let inUse = 0;
  let starting = 0;
  let failures = 0;
  let blockedUntil = 0;
  const announce = () => {
    for (const listener of listeners) listener();
  };

  return {
    account,
    readyAt(now) {
      if (inUse >= account.limits.inFlight) return undefined;
      if (failures > 0 && starting > 0) return undefined;
      return Math.max(now, blockedUntil, starts.nextAt());
    },
    take() {
      starts.take();
      inUse += 1;
      starting += 1;
    },
    occupy() {
      inUse += 1;
    },
    release() {
      inUse -= 1;
      announce();
    },
    load: () => inUse / account.limits.inFlight,
    backOff(error) {
      failures += 1;
      starting = Math.max(0, starting - 1);
      const own =
        error.retry === 'elsewhere' ? BROKEN_ACCOUNT_MS : BACK_OFF_MS * 2 ** Math.min(failures - 1, 10);
      // Jitter keeps nodes that were refused together from coming back together.
      const wait =
        error.retryAfterMs ??
        Math.min(own, error.retry === 'elsewhere' ? own : MAX_BACK_OFF_MS) * (0.75 + random() / 2);
      blockedUntil = Math.max(blockedUntil, clock.now() + wait);
      announce();
    },
    worked() {
      starting = Math.max(0, starting - 1);
      failures = 0;
      announce();
    },
    onReady(listener) {
      listeners.push(listener);
    },
  };
}
