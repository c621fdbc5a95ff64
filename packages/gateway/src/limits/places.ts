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
  placesUsed: number;
  /** Counts what the database said about them. */
  answers: number;
  /** Tasks of this node whose intent is about to be written. */
  readonly intending: Set<string>;
  /** A task found no place; the listeners are called once one may be free. */
  wantsPlace: boolean;
  /** How many places are free that this node was told of and has not tried to take. */
  free: number;
  /** How many places other nodes took for which tasks of this node waited, since it took one. */
  missed: number;
  /** Another node has waited too long: the next free place is left to it. */
  isClaimed: boolean;
  /** When this node may try for the place that was freed last. */
  tryFrom: Moment;
  /** The latest revision of the account's trouble that this node knows. */
  revision: number;
  /** Called when a place may have become free. */
  readonly changeListeners: (() => void)[];
  readonly troubleListeners: ((trouble: AccountTrouble) => void)[];
}

/** What this node knows of the places of all accounts. The database decides. */
export interface Places {
  /** Whether the places are known and may be used: this node has its lease, and every living node counts places. */
  isKnown(): boolean;
  /** The database has said how many places of an account are taken. */
  learn(account: string, placesUsed: number): void;
  /** A task waits for a place of the account. */
  wantPlace(entry: SharedEntry): void;
  /** A task of this node has taken a place, or found that others had taken the last one. */
  tried(entry: SharedEntry, took: boolean): void;
  /** Another node has waited too long for a place of the account. */
  leaveNext(account: string): void;
  /** A reservation of this node has ended: calls the listeners if a place may be free. */
  announceIfFree(entry: SharedEntry): void;
  /** Reads the places under a new lease, and what `also` reads. Retried until it succeeds; resolves after the first try. */
  load(also: () => Promise<void>): Promise<void>;
  /** The bounds of lingering places may have passed. */
  freeLingering(): void;
  /** The lease is lost. */
  leaseLost(): void;
  /** Resolves when nothing is being read any more. */
  stop(): Promise<void>;
}

interface PlacesParts {
  readonly shared: Pick<SharedLimitStore, 'places'>;
  readonly cluster: Pick<Cluster, 'hasLease' | 'broadcast'>;
  readonly timers: Timers;
  readonly after: Timers['after'];
  readonly random: () => number;
  readonly log: Pick<Log, 'warn'>;
  readonly entries: ReadonlyMap<string, SharedEntry>;
  /** This node's fair part of the places that become free: 0 … 1. */
  readonly part: () => number;
  readonly upkeep: Upkeep;
}

/** A freed place is tried for at a random time within this, so that the node that freed it does not always get it. Milliseconds. */
const SPREAD_MS = 30;
/** How long the next free place is left to a node that has waited too long: more than it needs to take it. Milliseconds. */
const LEAVE_MS = 100;
/** How often a node reads the number of free places again while tasks wait for one: the message about it may be lost. Milliseconds. */
const LOOK_MS = 1000;
/** Delay after a failed `load`. Milliseconds. */
const RETRY_MS = 500;

/**
 * Which of the waiting nodes takes a free place is left to chance for one turn: until as many places were free as there are nodes. Then
 * a node that took none claims the next one, which those that are not overdue leave to it. So it misses two turns at most.
 */
export function createPlaces(parts: PlacesParts): Places {
  const { shared, cluster, timers, after, random, log, entries, upkeep } = parts;
  /** Counts leases: what was read under an earlier one is ignored. */
  let leaseNumber = 0;
  let known = false;
  let cancelLook: (() => void) | undefined;
  let looking: Promise<void> | undefined;
  let stopped = false;

  function announce(entry: SharedEntry): void {
    entry.wantsPlace = false;
    for (const listener of entry.changeListeners) listener();
  }

  /** Whether every node could have taken a place since this one did. */
  const isOverdue = ({ missed }: SharedEntry) => missed * parts.part() >= 1;

  function announceIfFree(entry: SharedEntry): void {
    const { account, placesUsed, intending, wantsPlace } = entry;
    const free = account.limits.inFlight - placesUsed - intending.size;
    if (!wantsPlace || free <= 0) return;
    entry.wantsPlace = false;
    entry.free = free;
    const ms = random() * SPREAD_MS + (entry.isClaimed && !isOverdue(entry) ? LEAVE_MS : 0);
    entry.isClaimed = false;
    entry.tryFrom = later(timers.monotonic(), ms);
    after(ms, () => announce(entry));
  }

  function learn(account: string, placesUsed: number): void {
    const entry = entries.get(account);
    if (!entry) return;
    entry.placesUsed = placesUsed;
    entry.answers += 1;
    announceIfFree(entry);
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
    const mine = leaseNumber;
    const wanting = [...entries.values()].filter((entry) => entry.wantsPlace && waits(entry));
    if (wanting.length === 0) return;
    // A lease that is uncertain may be certain again without an event.
    if (!cluster.hasLease()) return lookLater();
    try {
      if (!upkeep.everyNodeCounts() && (await upkeep.checkNodes()))
        for (const entry of entries.values()) announce(entry);
      await upkeep.freeLingering();
      const counts = await shared.places(wanting.map(({ account }) => account.id));
      if (leaseNumber === mine) for (const [account, placesUsed] of counts) learn(account, placesUsed);
    } catch (err) {
      log.warn(
        { event: 'limits.read_failed', err },
        'cannot read how many places of accounts are free; retrying',
      );
    }
    lookLater();
  }

  async function load(also: () => Promise<void>): Promise<void> {
    if (stopped || !cluster.hasLease()) return;
    leaseNumber += 1;
    const mine = leaseNumber;
    const accounts = [...entries.keys()];
    try {
      await upkeep.checkNodes();
      await upkeep.recount(accounts);
      const counts = await shared.places(accounts);
      await also();
      if (leaseNumber !== mine) return;
      known = true;
      for (const [account, placesUsed] of counts) learn(account, placesUsed);
    } catch (err) {
      if (leaseNumber !== mine) return;
      log.warn(
        { event: 'limits.read_failed', err },
        'cannot read how many places of accounts are free; retrying',
      );
      timers.after(RETRY_MS, () => leaseNumber === mine && void load(also));
    }
  }

  return {
    isKnown: () => known && cluster.hasLease() && upkeep.everyNodeCounts(),
    learn,
    wantPlace(entry) {
      lookLater();
      if (entry.wantsPlace) return;
      entry.wantsPlace = true;
      entry.missed += Math.max(0, entry.free);
      entry.free = 0;
      if (isOverdue(entry)) cluster.broadcast({ kind: 'waits', account: entry.account.id });
    },
    tried(entry, took) {
      entry.missed = took ? 0 : entry.missed + 1;
    },
    leaveNext(account) {
      const entry = entries.get(account);
      if (entry) entry.isClaimed = true;
    },
    announceIfFree,
    load,
    freeLingering() {
      upkeep
        .freeLingering()
        .catch((err) =>
          log.warn({ event: 'limits.read_failed', err }, 'cannot free the places of jobs that have ended'),
        );
    },
    leaseLost() {
      leaseNumber += 1;
      known = false;
    },
    async stop() {
      stopped = true;
      leaseNumber += 1;
      cancelLook?.();
      await looking;
    },
  };
}

const waits = ({ demand }: SharedEntry): boolean => demand().some(({ waiting }) => waiting > 0);
