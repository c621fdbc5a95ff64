import type { Log } from '../observability/log.ts';
import type { AccountTrouble, LimitStore } from '../store/store.ts';
import { isReason, REASONS } from '../tasks/reasons.ts';
import { later, type Moment, msBetween } from '../time/clock.ts';
import { pause } from '../time/pause.ts';
import type { Timers } from '../time/timers.ts';

/** Stores the troubles of accounts, the latest of each. Retried until it succeeds. */
export interface Reports {
  add(account: string, trouble: AccountTrouble): void;
  /** Whether something about the account was not stored yet at that moment: what the store said then is out of date. */
  isNewerThan(account: string, at: Moment): boolean;
  /** Resolves when nothing is being stored any more. */
  stop(): Promise<void>;
}

interface ReportParts {
  readonly store: Pick<LimitStore, 'reportTrouble'>;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
}

/** Delay after a failed report. Milliseconds. */
const RETRY_MS = 500;

export function createReports({ store, timers, log }: ReportParts): Reports {
  const latest = new Map<string, { readonly trouble: AccountTrouble; readonly until: Moment }>();
  const storedAt = new Map<string, Moment>();
  const work = new Map<string, Promise<void>>();
  const stopping = new AbortController();

  async function send(account: string): Promise<void> {
    for (let report = latest.get(account); report; report = latest.get(account)) {
      const { trouble, until } = report;
      try {
        const waitMs = Math.max(0, msBetween(timers.monotonic(), until));
        await store.reportTrouble(account, { ...trouble, waitMs });
        storedAt.set(account, timers.monotonic());
        if (latest.get(account) === report) latest.delete(account);
      } catch (err) {
        log.warn(
          { event: 'limits.report_failed', account, err },
          'cannot store that an account failed or works again; retrying',
        );
        await pause(timers, RETRY_MS, stopping.signal);
      }
      if (stopping.signal.aborted) return;
    }
  }

  return {
    add(account, trouble) {
      if (stopping.signal.aborted) return;
      latest.set(account, { trouble, until: later(timers.monotonic(), trouble.waitMs) });
      if (work.has(account)) return;
      const sending = send(account).finally(() => work.delete(account));
      work.set(account, sending);
    },
    isNewerThan: (account, at) => latest.has(account) || (storedAt.get(account) ?? at) > at,
    async stop() {
      stopping.abort();
      await Promise.all(work.values());
    },
  };
}

/**
 * The trouble that a node finds at its start. A credential that was refused before may be fixed in its configuration, so the first task
 * probes the account at once.
 */
export function troubleAtStart(trouble: AccountTrouble): AccountTrouble {
  const { reason } = trouble;
  const isForPeople = isReason(reason) && REASONS[reason].retry === 'elsewhere';
  return isForPeople ? { ...trouble, waitMs: 0 } : trouble;
}
