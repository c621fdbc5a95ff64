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

/** This node's parts of all accounts, kept up by reports to the store. */
export interface SharedAccounts extends AccountShares {
  /** The first report on every account. Where it fails it is tried again, and nothing starts before. */
  start(): Promise<void>;
  /** No report from now on; one that is under way is waited for. */
  stop(): Promise<void>;
}

interface SharesParts {
  readonly store: Pick<LimitStore, 'shareAccounts'>;
  readonly cluster: Cluster;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn' | 'info'>;
  readonly random?: () => number;
}

/** Between looks for what has changed, give or take a tenth: nodes must not all report at once. Milliseconds. */
const LOOK_MS = 1000;
/** Reports that cannot wait for the next look are at least so far apart. Milliseconds. */
const APART_MS = 100;
/** What has not changed here is reported so often all the same: what others told may have been lost. Milliseconds. */
const UNCHANGED_MS = 5000;
/** After a report that failed. Milliseconds. */
const RETRY_MS = 500;
/** What the column takes: 32 bits. */
const MOST_PLACES = 2 ** 31 - 1;

/** Mended by a person rather than by time. */
const isForPeople = ({ reason }: AccountTrouble): boolean =>
  isReason(reason) && REASONS[reason].retry === 'elsewhere';

/** One account at this node. */
interface Entry {
  readonly account: string;
  readonly usage: () => AccountUsage;
  readonly holding: Holding;
  readonly changed: (() => void)[];
  readonly troubled: ((trouble: AccountTrouble) => void)[];
  reportedAt: number;
  /** The time of the database's clock, milliseconds UTC, when this began. */
  aheadMs: number;
  urgent: boolean;
  /** The last change of the account's trouble that this node knows. */
  revision: number;
  /** It was granted something since this node started. */
  heard: boolean;
}

/**
 * Divides the limits of accounts between the nodes. Starting a task or asking about one costs no round trip: each node has its
 * part, and about once a second tells the store what it uses and what waits, if that has changed; at once where a task finds
 * no place. Messages only make others look sooner: without them the next look finds out.
 */
export function createAccountShares(parts: SharesParts): SharedAccounts {
  const { store, cluster, timers, log, random = Math.random } = parts;
  const entries = new Map<string, Entry>();
  /** Counts sessions: what is answered to an earlier one is void. */
  let session = 0;
  let underWay: Promise<void> | undefined;
  let lastAt = Number.NEGATIVE_INFINITY;
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancelWake: (() => void) | undefined;
  let started = false;
  let stopped = false;
  const began = timers.monotonic();
  /** Milliseconds of the monotonic clock since this began: what all times here are, but those of the database's clock. */
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

  const hurry = (entry: Entry) => {
    if (entry.urgent) return;
    entry.urgent = true;
    wake(Math.max(now(), lastAt + APART_MS));
  };

  function isDue(entry: Entry): boolean {
    const { holding } = entry;
    const { lastReport } = holding;
    if (entry.urgent || holding.hasNews || !lastReport) return true;
    if (now() - entry.reportedAt >= UNCHANGED_MS) return true;
    const { inUse, waiting } = entry.usage();
    return inUse !== lastReport.inUse || waiting !== lastReport.waiting || !holding.isSettled(inUse);
  }

  /** Reports what is due. One report at a time; what becomes due meanwhile has the next. */
  function look(): Promise<void> {
    if (underWay) return underWay;
    const due = stopped || !cluster.hasLease() ? [] : [...entries.values()].filter(isDue);
    const mine = session;
    const work = (due.length > 0 ? report(due) : Promise.resolve()).finally(() => {
      if (session !== mine) return;
      underWay = undefined;
      // Without a session there is nobody to report to: the next one begins with a report.
      const urgent = cluster.hasLease() && [...entries.values()].some((entry) => entry.urgent);
      wake(urgent ? Math.max(now(), lastAt + APART_MS) : now() + LOOK_MS * (0.9 + random() / 5));
    });
    underWay = work;
    return work;
  }

  async function report(due: readonly Entry[]): Promise<void> {
    const spare = await exchange(due);
    // What others wait for is given back at once; they are told when it is there to be had.
    if (spare.length > 0) await exchange(spare);
  }

  /** Resolves with those accounts of which this node now has to spare what others could use. */
  async function exchange(due: readonly Entry[]): Promise<readonly Entry[]> {
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
      // The database does not know this node as one that lives, and gives what it held to others.
      forfeit(entry);
      return false;
    });
  }

  /** True where something is to be given back. */
  function take(entry: Entry, grant: AccountGrant): boolean {
    const { holding, account } = entry;
    const isNews = grant.revision > entry.revision && !holding.lastReport?.trouble;
    entry.revision = Math.max(entry.revision, grant.revision);
    entry.aheadMs = grant.at - (entry.reportedAt + now()) / 2;
    const { gaveBack } = holding;
    const isFirst = holding.lastGrant === undefined;
    if (holding.granted(grant)) for (const listener of entry.changed) listener();
    // What happened here since is newer than what was read.
    if (isNews && !holding.hasNews) {
      // A credential that was refused before this node started may be mended by what it was started with: its first task feels the way.
      const news = entry.heard || !isForPeople(grant) ? grant : { ...grant, waitMs: 0 };
      for (const listener of entry.troubled) listener(news);
    }
    entry.heard = true;
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
      for (const entry of entries.values()) hurry(entry);
      wake(now());
    }),
    cluster.onMessage((message) => {
      if (message.kind !== 'shares' && message.kind !== 'account') return;
      const entry = entries.get(message.account);
      if (!entry) return;
      if (message.kind === 'shares') hurry(entry);
      else for (const listener of entry.troubled) listener(message);
    }),
  ];

  /** What is held is this node's only for as long as it is known to live. */
  const rateOf = ({ holding }: Entry): number => (cluster.hasLease() ? holding.rate() / WHOLE_RATE : 0);

  /** By the database's clock, as far as the last answer tells it: the nodes' own clocks may differ. */
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
        heard: false,
      };
      entries.set(account.id, entry);
      const { holding } = entry;
      return {
        places: () => (cluster.hasLease() ? holding.places() : 0),
        rate: () => rateOf(entry),
        note(happened) {
          // That tasks wait is known to the others already: they tell when there is something to be had.
          if (happened === 'lacking' && (holding.lastReport?.waiting ?? 0) > 0) return;
          if (happened === 'released' && !holding.lastGrant?.wanted) return;
          hurry(entry);
        },
        tell(trouble) {
          const { failures, waitMs, reason } = trouble;
          cluster.broadcast({ kind: 'account', account: account.id, failures, waitMs, reason });
          holding.pend(trouble, now());
          hurry(entry);
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
