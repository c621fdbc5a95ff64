import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import type { Account } from '../providers/account.ts';
import type { AccountTrouble, SharedLimitStore } from '../store/store.ts';
import { later, type Moment } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import type { AccountDemand } from './limits.ts';
import type { Upkeep } from './upkeep.ts';

/** What this node knows of an account that several nodes use. */
export interface SharedEntry {
  readonly account: Account;
  readonly demand: AccountDemand;
  /** Places taken, as the database last said. */
  inFlight: number;
  /** Counts what the database said about them. */
  answers: number;
  /** Tasks of this node that are about to take a place. */
  readonly starting: Set<string>;
  /** A task found no place, and waits for `changed`. */
  lacking: boolean;
  /** When this node may try for the place that became free last. */
  freeFrom: Moment;
  /** The latest revision of the account's trouble that this node knows. */
  revision: number;
  readonly changed: (() => void)[];
  readonly troubled: ((trouble: AccountTrouble) => void)[];
}

/** What this node knows of the places of all accounts. The database decides. */
export interface Places {
  /** Whether the places are known and may be used: this node has its lease, and every living node counts places. */
  isKnown(): boolean;
  /** The database has said how many places of an account are taken. */
  learn(account: string, inFlight: number): void;
  /** A task waits for a place of the account. */
  await(entry: SharedEntry): void;
  /** Fewer tasks of this node are about to take a place. */
  changed(entry: SharedEntry): void;
  /** Reads everything under a new lease, and what `also` reads. Retried until it succeeds; resolves after the first try. */
  begin(also: () => Promise<void>): Promise<void>;
  /** The bounds of held places may have passed. */
  freeHeld(): void;
  /** The lease is lost. */
  lose(): void;
  /** Resolves when nothing is being read any more. */
  stop(): Promise<void>;
}

interface PlacesParts {
  readonly shared: Pick<SharedLimitStore, 'places'>;
  readonly cluster: Pick<Cluster, 'hasLease'>;
  readonly timers: Timers;
  readonly after: Timers['after'];
  readonly random: () => number;
  readonly log: Pick<Log, 'warn'>;
  readonly entries: ReadonlyMap<string, SharedEntry>;
  readonly upkeep: Upkeep;
}

/** A freed place is tried for at a random time within this, so that the node that freed it does not always get it. Milliseconds. */
const SPREAD_MS = 30;
/** How often a node reads the number of free places again while tasks wait for one: the message about it may be lost. Milliseconds. */
const LOOK_MS = 1000;
/** Delay after a failed beginning. Milliseconds. */
const RETRY_MS = 500;

export function createPlaces(parts: PlacesParts): Places {
  const { shared, cluster, timers, after, random, log, entries, upkeep } = parts;
  /** Counts leases: what was read under an earlier one is ignored. */
  let session = 0;
  let known = false;
  let cancelLook: (() => void) | undefined;
  let looking: Promise<void> | undefined;
  let stopped = false;

  function announce(entry: SharedEntry): void {
    entry.lacking = false;
    for (const listener of entry.changed) listener();
  }

  function changed(entry: SharedEntry): void {
    const { account, inFlight, starting, lacking } = entry;
    if (!lacking || inFlight + starting.size >= account.limits.inFlight) return;
    entry.lacking = false;
    const ms = random() * SPREAD_MS;
    entry.freeFrom = later(timers.monotonic(), ms);
    after(ms, () => announce(entry));
  }

  function learn(account: string, inFlight: number): void {
    const entry = entries.get(account);
    if (!entry) return;
    entry.inFlight = inFlight;
    entry.answers += 1;
    changed(entry);
  }

  function lookLater(): void {
    if (stopped) return;
    // Not all nodes at once.
    cancelLook ??= timers.after(LOOK_MS * (0.9 + random() / 5), () => {
      cancelLook = undefined;
      looking = look();
    });
  }

  /** Reads again what messages may have failed to tell, as long as tasks wait. */
  async function look(): Promise<void> {
    const mine = session;
    const lacking = [...entries.values()].filter((entry) => entry.lacking && waits(entry));
    if (lacking.length === 0 || !cluster.hasLease()) return;
    try {
      if (!upkeep.isCounting() && (await upkeep.checkNodes()))
        for (const entry of entries.values()) announce(entry);
      await upkeep.freeHeld();
      const counts = await shared.places(lacking.map(({ account }) => account.id));
      if (session !== mine) return;
      for (const [account, inFlight] of counts) learn(account, inFlight);
    } catch (err) {
      log.warn(
        { event: 'limits.read_failed', err },
        'cannot read how many places of accounts are free; retrying',
      );
    }
    lookLater();
  }

  async function begin(also: () => Promise<void>): Promise<void> {
    if (stopped || !cluster.hasLease()) return;
    session += 1;
    const mine = session;
    const accounts = [...entries.keys()];
    try {
      await upkeep.checkNodes();
      await upkeep.recount(accounts);
      const counts = await shared.places(accounts);
      await also();
      if (session !== mine) return;
      known = true;
      for (const [account, inFlight] of counts) learn(account, inFlight);
      for (const entry of entries.values()) announce(entry);
    } catch (err) {
      if (session !== mine) return;
      log.warn(
        { event: 'limits.read_failed', err },
        'cannot read how many places of accounts are free; retrying',
      );
      timers.after(RETRY_MS, () => session === mine && void begin(also));
    }
  }

  return {
    isKnown: () => known && cluster.hasLease() && upkeep.isCounting(),
    learn,
    await(entry) {
      entry.lacking = true;
      lookLater();
    },
    changed,
    begin,
    freeHeld() {
      upkeep
        .freeHeld()
        .catch((err) =>
          log.warn({ event: 'limits.read_failed', err }, 'cannot free the places of jobs that have ended'),
        );
    },
    lose() {
      session += 1;
      known = false;
    },
    async stop() {
      stopped = true;
      session += 1;
      cancelLook?.();
      await looking;
    },
  };
}

const waits = ({ demand }: SharedEntry): boolean => demand().some(({ waiting }) => waiting > 0);
