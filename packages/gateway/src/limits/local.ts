import type { Log } from '../observability/log.ts';
import type { Account } from '../providers/account.ts';
import { localPermits } from '../providers/rates/permits.ts';
import type { AccountTrouble, LimitStore, TaskStore } from '../store/store.ts';
import { LINGER_MS, type Move } from '../tasks/lifecycle.ts';
import { placeChange } from '../tasks/places.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { AccountLimiter, Limits } from './limits.ts';
import { createReports, troubleAtStart } from './trouble.ts';

export interface LocalParts {
  readonly store: Pick<TaskStore, 'commit'> &
    Pick<LimitStore, 'lingeringPlaces' | 'troubles' | 'reportTrouble'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
}

/** The limits of accounts that only this node uses, in memory. Nothing runs periodically. */
export function createLocalLimits(parts: LocalParts): Limits {
  const { store, clock, timers } = parts;
  const reports = createReports(parts);
  const accounts = new Map<string, LocalAccount>();
  return {
    open(account) {
      const opened = localAccount(account, {
        ...parts,
        report: (trouble) => reports.add(account.id, trouble),
      });
      accounts.set(account.id, opened);
      return opened;
    },
    permitsOf: () => localPermits(timers),
    warning: () => undefined,
    async start(ids = [...accounts.keys()]) {
      const now = clock.now();
      for (const { account, taskId, until } of await store.lingeringPlaces(now)) {
        // A clock that was set back does not extend it.
        if (ids.includes(account)) accounts.get(account)?.linger(taskId, Math.min(LINGER_MS, until - now));
      }
      for (const stored of await store.troubles(ids))
        accounts.get(stored.account)?.learnTrouble(troubleAtStart(stored));
    },
    async stop() {
      for (const account of accounts.values()) account.stop();
      await reports.stop();
    },
  };
}

export interface LocalAccount extends AccountLimiter {
  /** A task has ended whose job may still run upstream: its place lingers for so many milliseconds. */
  linger(taskId: string, ms: number): void;
  learnTrouble(trouble: AccountTrouble): void;
  /** Cancels the timers of the lingering places. */
  stop(): void;
}

export interface LocalAccountParts extends Pick<LocalParts, 'clock' | 'timers'> {
  readonly store: Pick<TaskStore, 'commit'>;
  readonly report: (trouble: AccountTrouble) => void;
}

/** Keeps the limits of one account in this process. */
export function localAccount(account: Account, parts: LocalAccountParts): LocalAccount {
  const { store, clock, timers, report } = parts;
  /** The tasks of this node that have a place. */
  const own = new Set<string>();
  /** Ended tasks whose places linger, with what cancels the end of each. */
  const lingering = new Map<string, () => void>();
  const changed: (() => void)[] = [];
  const troubled: ((trouble: AccountTrouble) => void)[] = [];
  const placesUsed = (): number => own.size + lingering.size;

  const announce = () => {
    for (const listener of changed) listener();
  };
  function free(taskId: string): void {
    if (own.delete(taskId)) announce();
  }
  function freeLingering(taskId: string): void {
    lingering.get(taskId)?.();
    if (lingering.delete(taskId)) announce();
  }
  function linger(taskId: string, ms: number): void {
    own.delete(taskId);
    lingering.get(taskId)?.();
    lingering.set(
      taskId,
      timers.after(ms, () => freeLingering(taskId)),
    );
  }

  return {
    openPermits: localPermits(timers),
    placesUsed,
    placeReadyIn: () => (placesUsed() < account.limits.inFlight ? 0 : undefined),
    beginIntent: (taskId) => void own.add(taskId),
    async intend(move) {
      const { id } = move.task;
      // Of a task that has begun, the place is counted already.
      if (!own.has(id) && placesUsed() >= account.limits.inFlight) return 'no_place';
      own.add(id);
      if (await store.commit(move)) return 'written';
      free(id);
      return 'lost';
    },
    moved(move: Move) {
      const { id, attempt } = move.task;
      switch (placeChange(move)?.change) {
        case 'take':
          own.add(id);
          break;
        case 'free':
          free(id);
          break;
        case 'linger':
          linger(id, (attempt?.placeUntil ?? 0) - clock.now());
          break;
        case 'free_lingering':
          freeLingering(id);
          break;
        default:
      }
    },
    adopt: (taskId) => void own.add(taskId),
    release: free,
    report,
    onTrouble: (listener) => void troubled.push(listener),
    onChange: (listener) => void changed.push(listener),
    linger,
    learnTrouble(trouble) {
      for (const listener of troubled) listener(trouble);
    },
    stop() {
      for (const cancel of lingering.values()) cancel();
    },
  };
}
