import type { Log } from '../observability/log.ts';
import type { Account } from '../providers/account.ts';
import { isOwnTrouble } from '../providers/http/lostCall.ts';
import { later, msBetween } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';

/** Whether the server of a fleet's member answers this node. Every node looks for itself, because a network may fail for one only. */
export interface Health {
  /** True from a check that failed until one that succeeds. */
  readonly isDown: boolean;
  /** Milliseconds until the next check while it is down. */
  nextCheckIn(): number | undefined;
  /** Checks it now: a call has failed, or an operator wants it. */
  check(): void;
  stop(): void;
}

interface HealthParts {
  readonly account: Pick<Account, 'id'>;
  readonly reach: () => Promise<void>;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn' | 'info'>;
  /** Whether it may get tasks. Another one is only asked after calls that failed. */
  readonly isUsed: () => boolean;
  /** Called when it went down, or answers again. */
  readonly changed: () => void;
}

/** Delay after the first of consecutive failed checks, doubling up to the maximum. Milliseconds. */
const AGAIN_MS = 1000;
const MAX_AGAIN_MS = 60_000;

/** Nothing runs while the server answers. No task has to try whether it does. */
export function createHealth({ account, reach, timers, log, isUsed, changed }: HealthParts): Health {
  let failures = 0;
  let isChecking = false;
  let isStopped = false;
  let cancel: (() => void) | undefined;
  let checkAt = timers.monotonic();

  function checkIn(ms: number): void {
    if (isStopped || !isUsed()) return;
    cancel?.();
    checkAt = later(timers.monotonic(), ms);
    cancel = timers.after(ms, () => void check());
  }

  async function check(): Promise<void> {
    if (isChecking || isStopped) return;
    cancel?.();
    cancel = undefined;
    isChecking = true;
    try {
      await reach();
      if (failures > 0)
        log.info({ event: 'account.reachable', account: account.id }, 'the server answers again');
      failures = 0;
    } catch (error) {
      // A failure of this node says nothing about the server.
      if (!isOwnTrouble(error)) failed(error);
      if (failures > 0) checkIn(Math.min(MAX_AGAIN_MS, AGAIN_MS * 2 ** Math.min(failures - 1, 10)));
    } finally {
      isChecking = false;
    }
    changed();
  }

  function failed(err: unknown): void {
    if (failures === 0)
      log.warn(
        { event: 'account.unreachable', account: account.id, err },
        'the server of a fleet does not answer; it gets no tasks until it does',
      );
    failures += 1;
  }

  return {
    get isDown() {
      return failures > 0;
    },
    nextCheckIn: () => (failures > 0 ? Math.max(0, msBetween(timers.monotonic(), checkAt)) : undefined),
    check: () => void check(),
    stop() {
      isStopped = true;
      cancel?.();
    },
  };
}
