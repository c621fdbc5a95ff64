import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import { WHOLE_RATE } from '../store/shares.ts';
import type { AccountGrant, AccountTrouble, LimitStore } from '../store/store.ts';
import { isReason, REASONS } from '../tasks/reasons.ts';
import { msBetween } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import { createHolding, type Holding } from './holding.ts';
import { type AccountShares, type AccountUsage, ALL_RATES, wholeShare } from './limits.ts';
import { nextTurn } from './turns.ts';

/** This node's shares of all accounts, kept up to date by reports to the store. */
export interface SharedAccounts extends AccountShares {
  /** Makes the first report on every account. If it fails it is retried, and no task is submitted before it succeeds. */
  start(): Promise<void>;
  /** Stops reporting. Resolves when no report is in flight. */
  stop(): Promise<void>;
}

interface SharesParts {
  readonly store: Pick<LimitStore, 'shareAccounts'>;
  readonly cluster: Cluster;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn' | 'info'>;
  readonly random?: () => number;
}

/** Interval between checks for changes, with a tenth of jitter so that nodes do not report together. Milliseconds. */
const LOOK_MS = 1000;
/** Minimum interval between urgent reports. Milliseconds. */
const APART_MS = 100;
/** Interval between reports without changes: messages of other nodes may have been lost. Milliseconds. */
const UNCHANGED_MS = 5000;
/** Delay after a failed report. Milliseconds. */
const RETRY_MS = 500;
/** The maximum of the database column: 32 bits. */
const MOST_PLACES = 2 ** 31 - 1;

/** Whether a person has to fix the problem. */
const isForPeople = ({ reason }: AccountTrouble): boolean =>
  isReason(reason) && REASONS[reason].retry === 'elsewhere';

/** The state of one account on this node. */
interface Entry {
  readonly account: string;
  readonly usage: () => AccountUsage;
  readonly holding: Holding;
  readonly changed: (() => void)[];
  readonly troubled: ((trouble: AccountTrouble) => void)[];
  reportedAt: number;
  /** What to add to `now()` to get the database's clock, in milliseconds UTC. */
  aheadMs: number;
  urgent: boolean;
  /** The latest revision of the account's trouble that this node knows. */
  revision: number;
  /** Whether this node has received a grant since it started. */
  hasGrant: boolean;
}

/**
 * Divides the limits of accounts between the nodes. Submitting or polling a task needs no round trip, because each node has its own
 * share. About once a second, a node reports to the store what it uses and how many tasks wait, if that has changed; it reports at
 * once if a task finds no free slot. Messages only make other nodes report sooner; a lost message delays but does not lose anything.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: the entries of all accounts and the one report in flight
export function createAccountShares(parts: SharesParts): SharedAccounts {
  const { store, cluster, timers, log, random = Math.random } = parts;
  const entries = new Map<string, Entry>();
  /** Counts leases: responses to reports under an earlier lease are ignored. */
  let session = 0;
  let underWay: Promise<void> | undefined;
  let lastAt = Number.NEGATIVE_INFINITY;
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancelWake: (() => void) | undefined;
  let started = false;
  let stopped = false;
  const began = timers.monotonic();
  /** Monotonic milliseconds since the start. All times here use it, except those of the database's clock. */
  const now = (): number => msBetween(began, timers.monotonic());

  function wake(at: number): void {
    if (stopped || !started || at >= wakeAt) return;
    cancelWake?.();
    wakeAt = at;
    cancelWake = timers.after(at - now(), () => {
      wakeAt = Number.POSITIVE_INFINITY;
      void look();
    });
  }

  const reportSoon = (entry: Entry) => {
    if (entry.urgent) return;
    entry.urgent = true;
    wake(Math.max(now(), lastAt + APART_MS));
  };

  function isDue(entry: Entry): boolean {
    const { holding } = entry;
    const { lastReport } = holding;
    if (entry.urgent || holding.hasTrouble || !lastReport) return true;
    if (now() - entry.reportedAt >= UNCHANGED_MS) return true;
    const { inUse, waiting } = entry.usage();
    return inUse !== lastReport.inUse || waiting !== lastReport.waiting || !holding.isSettled(inUse);
  }

  /** Reports what is due. Only one report is in flight; changes meanwhile go into the next one. */
  function look(): Promise<void> {
    if (underWay) return underWay;
    const due = stopped || !cluster.hasLease() ? [] : [...entries.values()].filter(isDue);
    const mine = session;
    const work = (due.length > 0 ? report(due) : Promise.resolve()).finally(() => {
      if (session !== mine) return;
      underWay = undefined;
      // Without a lease there is nothing to report; the next lease begins with a report.
      const urgent = cluster.hasLease() && [...entries.values()].some((entry) => entry.urgent);
      wake(urgent ? Math.max(now(), lastAt + APART_MS) : now() + LOOK_MS * (0.9 + random() / 5));
    });
    underWay = work;
    return work;
  }

  async function report(due: readonly Entry[]): Promise<void> {
    const spare = await sendReports(due);
    // Return at once what other nodes wait for. They are notified when it is available.
    if (spare.length > 0) await sendReports(spare);
  }

  /** Sends reports and applies the grants. Resolves with the accounts of which this node can return something that others wait for. */
  async function sendReports(due: readonly Entry[]): Promise<readonly Entry[]> {
    const mine = session;
    lastAt = now();
    const reports = due.map((entry) => {
      entry.urgent = false;
      entry.reportedAt = lastAt;
      return entry.holding.report(entry.usage(), lastAt);
    });
    let grants: readonly AccountGrant[];
    try {
      grants = await store.shareAccounts(cluster.node, reports);
    } catch (error) {
      if (session !== mine) return [];
      log.warn(
        { event: 'limits.report_failed', err: error },
        'cannot share the limits of accounts with other nodes; retrying',
      );
      for (const entry of due) {
        entry.holding.lost();
        entry.reportedAt = Number.NEGATIVE_INFINITY;
      }
      wake(now() + RETRY_MS);
      return [];
    }
    if (session !== mine) return [];
    return due.filter((entry) => {
      const grant = grants.find(({ account }) => account === entry.account);
      if (grant) return take(entry, grant);
      // The database considers this node dead and grants its share to others.
      forfeit(entry);
      return false;
    });
  }

  /** Applies a grant. True if this node can return something that others wait for. */
  function take(entry: Entry, grant: AccountGrant): boolean {
    const { holding, account } = entry;
    const isNews = grant.revision > entry.revision && !holding.lastReport?.trouble;
    entry.revision = Math.max(entry.revision, grant.revision);
    entry.aheadMs = grant.at - (entry.reportedAt + now()) / 2;
    const { gaveBack } = holding;
    const isFirst = holding.lastGrant === undefined;
    if (holding.granted(grant)) for (const listener of entry.changed) listener();
    // Unreported news of this node is newer than the grant.
    if (isNews && !holding.hasTrouble) {
      // A credential refused before this node started may be fixed in its configuration, so its first task probes the account.
      const pendingTrouble = entry.hasGrant || !isForPeople(grant) ? grant : { ...grant, waitMs: 0 };
      for (const listener of entry.troubled) listener(pendingTrouble);
    }
    entry.hasGrant = true;
    if (grant.lacking || (grant.wanted && gaveBack) || isFirst)
      cluster.broadcast({ kind: 'shares', account });
    return grant.wanted && holding.hasSpare(entry.usage().inUse);
  }

  function forfeitAll(): void {
    session += 1;
    underWay = undefined;
    cancelWake?.();
    wakeAt = Number.POSITIVE_INFINITY;
    for (const entry of entries.values()) forfeit(entry);
  }

  function forfeit(entry: Entry): void {
    entry.holding.forfeit();
    for (const listener of entry.changed) listener();
  }

  const unsubscribe = [
    cluster.onLease((event) => {
      if (event === 'lost') return forfeitAll();
      lastAt = Number.NEGATIVE_INFINITY;
      for (const entry of entries.values()) reportSoon(entry);
      wake(now());
    }),
    cluster.onMessage((message) => {
      if (message.kind !== 'shares' && message.kind !== 'account') return;
      const entry = entries.get(message.account);
      if (!entry) return;
      if (message.kind === 'shares') reportSoon(entry);
      else for (const listener of entry.troubled) listener(message);
    }),
  ];

  /** The share is only valid while this node has its lease. */
  const rateOf = ({ holding }: Entry): number => (cluster.hasLease() ? holding.rate() / WHOLE_RATE : 0);

  /** Turns follow the database's clock, estimated from the last response, because the nodes' clocks may differ. */
  function turnIn(entry: Entry, everyMs: number, afterMs: number): number {
    const rate = rateOf(entry);
    const { lastGrant } = entry.holding;
    if (rate === 1) return afterMs;
    if (rate === 0 || !lastGrant) return Number.POSITIVE_INFINITY;
    const from = lastGrant.rateBefore / WHOLE_RATE;
    const at = now() + entry.aheadMs + afterMs;
    return afterMs + nextTurn(from, from + rate, everyMs, at);
  }

  return {
    of(account, usage) {
      if (account.local) return wholeShare(account);
      const entry: Entry = {
        account: account.id,
        usage,
        holding: createHolding(account.id, Math.min(account.limits.inFlight, MOST_PLACES)),
        changed: [],
        troubled: [],
        reportedAt: Number.NEGATIVE_INFINITY,
        aheadMs: 0,
        urgent: false,
        revision: 0,
        hasGrant: false,
      };
      entries.set(account.id, entry);
      const { holding } = entry;
      return {
        places: () => (cluster.hasLease() ? holding.places() : 0),
        rate: () => rateOf(entry),
        note(happened) {
          // Other nodes already know that tasks wait here, and send a message when something is available.
          if (happened === 'lacking' && (holding.lastReport?.waiting ?? 0) > 0) return;
          if (happened === 'released' && !holding.lastGrant?.wanted) return;
          reportSoon(entry);
        },
        tell(trouble) {
          const { failures, waitMs, reason } = trouble;
          cluster.broadcast({ kind: 'account', account: account.id, failures, waitMs, reason });
          holding.attachTrouble(trouble, now());
          reportSoon(entry);
        },
        onChange: (listener) => void entry.changed.push(listener),
        onTrouble: (listener) => void entry.troubled.push(listener),
      };
    },
    rates: (accountId) => ({
      rate() {
        const entry = entries.get(accountId);
        return entry ? rateOf(entry) : ALL_RATES.rate();
      },
      turnIn(everyMs, afterMs) {
        const entry = entries.get(accountId);
        return entry ? turnIn(entry, everyMs, afterMs) : ALL_RATES.turnIn(everyMs, afterMs);
      },
    }),
    async start() {
      started = true;
      await look();
    },
    async stop() {
      stopped = true;
      for (const end of unsubscribe) end();
      cancelWake?.();
      await underWay;
    },
  };
}
