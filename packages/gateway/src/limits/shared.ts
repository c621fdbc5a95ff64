import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import type { AccountTrouble, LimitStore, PermitGrant, SharedLimitStore, TaskStore } from '../store/store.ts';
import { placeChange } from '../tasks/places.ts';
import { type Clock, LONG_AGO, type Moment, msBetween } from '../time/clock.ts';
import { afterExactly, type Timers } from '../time/timers.ts';
import type { AccountLimiter, Limits } from './limits.ts';
import { type LocalAccount, localAccount } from './local.ts';
import { createPlaces, type Places, type SharedEntry } from './places.ts';
import { createReservations, type Reservations } from './reservations.ts';
import { createReports, type Reports, troubleAtStart } from './trouble.ts';
import { createUpkeep } from './upkeep.ts';

export interface SharedParts {
  readonly store: Pick<TaskStore, 'commit' | 'intend'> & Pick<LimitStore, 'troubles' | 'reportTrouble'>;
  readonly shared: SharedLimitStore;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
  /** Timers to which milliseconds matter. */
  readonly after?: Timers['after'] | undefined;
  readonly random?: (() => number) | undefined;
}

/** The maximum of the database's column: 32 bits. */
const MOST_PLACES = 2 ** 31 - 1;
/** How long the number of nodes is used. Milliseconds. */
const MEMBERS_MS = 2000;

/**
 * The limits of accounts that several nodes use. The database decides: it counts places in the statement that writes an intent, and
 * grants permits. A node only guesses when it is worth asking, by the counters in its own answers and in the messages of other nodes.
 * Without demand it asks nothing, except that the leader counts the places from time to time.
 */
export function createSharedLimits(parts: SharedParts): Limits {
  const { cluster, random = Math.random, after = afterExactly } = parts;
  const entries = new Map<string, SharedEntry>();
  const locals: LocalAccount[] = [];
  const members = createMembers(parts);
  const reports = createReports(parts);
  const upkeep = createUpkeep(parts);
  const places = createPlaces({ ...parts, entries, part: members.part, upkeep, random, after });
  const reservations = createReservations({
    ...parts,
    store: parts.shared,
    after,
    random,
    hasLease: cluster.hasLease,
    part: members.part,
    onAnswer: learnTroubles,
  });
  let started = false;

  function announceTrouble(entry: SharedEntry, trouble: AccountTrouble): void {
    for (const listener of entry.troubleListeners) listener(trouble);
  }

  function learnTroubles(grants: readonly PermitGrant[], sentAt: Moment): void {
    for (const { trouble } of grants) {
      const entry = trouble && entries.get(trouble.account);
      if (!entry || trouble.revision <= entry.revision || reports.isNewerThan(trouble.account, sentAt))
        continue;
      entry.revision = trouble.revision;
      announceTrouble(entry, trouble);
    }
  }

  async function readTroubles(): Promise<void> {
    for (const trouble of await parts.store.troubles([...entries.keys()])) {
      const entry = entries.get(trouble.account);
      if (!entry || trouble.revision <= entry.revision) continue;
      entry.revision = trouble.revision;
      announceTrouble(entry, started ? trouble : troubleAtStart(trouble));
    }
    started = true;
  }

  const unsubscribe = [
    cluster.onLease((event) => {
      reservations.reset();
      if (event === 'lost') places.leaseLost();
      else void places.load(readTroubles);
    }),
    cluster.onMessage((message) => {
      if (message.kind === 'moved')
        for (const [id, inFlight] of message.places ?? []) places.learn(id, inFlight);
      if (message.kind === 'waits') places.leaveNext(message.account);
      const entry = message.kind === 'account' ? entries.get(message.account) : undefined;
      if (entry && message.kind === 'account') announceTrouble(entry, message);
    }),
    parts.shared.onPlaces(places.learn),
  ];

  return {
    open(account, demand) {
      if (account.local) {
        const local = localAccount(account, { ...parts, report: () => undefined });
        locals.push(local);
        return local;
      }
      const entry: SharedEntry = {
        account,
        demand,
        placesUsed: 0,
        intending: new Set(),
        wantsPlace: false,
        free: 0,
        missed: 0,
        isClaimed: false,
        tryFrom: LONG_AGO,
        revision: 0,
        answers: 0,
        changeListeners: [],
        troubleListeners: [],
      };
      entries.set(account.id, entry);
      return sharedAccount(entry, { ...parts, places, reservations, reports });
    },
    permitsOf: reservations.permitsOf,
    warning: upkeep.warning,
    start: () => places.load(readTroubles),
    async stop() {
      for (const end of unsubscribe) end();
      for (const local of locals) local.stop();
      await Promise.all([places.stop(), upkeep.stop(), reservations.stop(), reports.stop()]);
    },
  };
}

interface AccountParts extends Pick<SharedParts, 'store' | 'cluster' | 'timers'> {
  readonly places: Places;
  readonly reservations: Reservations;
  readonly reports: Reports;
}

function sharedAccount(
  entry: SharedEntry,
  { store, cluster, timers, ...parts }: AccountParts,
): AccountLimiter {
  const { places, reservations, reports } = parts;
  const { id } = entry.account;
  const limit = () => Math.min(entry.account.limits.inFlight, MOST_PLACES);
  return {
    openPermits: reservations.permitsOf(id),
    placesUsed: () => entry.placesUsed + entry.intending.size,
    placeReadyIn() {
      if (places.isKnown() && entry.placesUsed + entry.intending.size < limit())
        return Math.max(0, msBetween(timers.monotonic(), entry.tryFrom));
      places.wantPlace(entry);
      return undefined;
    },
    beginIntent(taskId) {
      entry.intending.add(taskId);
      entry.free -= 1;
    },
    async intend(move) {
      const { answers } = entry;
      const most = limit();
      const outcome = await store.intend(move, most);
      if (outcome !== 'lost') places.tried(entry, outcome === 'written');
      if (outcome === 'no_place' && entry.answers === answers) places.learn(id, most);
      entry.intending.delete(move.task.id);
      // Until now the task was counted twice, and the same statement may have freed places.
      places.announceIfFree(entry);
      return outcome;
    },
    moved(move) {
      // The database counts all other changes by itself.
      if (placeChange(move)?.change === 'free_lingering') places.freeLingering();
    },
    adopt: () => undefined,
    release(taskId) {
      if (entry.intending.delete(taskId)) places.announceIfFree(entry);
    },
    report(trouble) {
      const { failures, waitMs, reason } = trouble;
      cluster.broadcast({ kind: 'account', account: id, failures, waitMs, reason });
      reports.add(id, trouble);
    },
    onTrouble: (listener) => void entry.troubleListeners.push(listener),
    onChange: (listener) => void entry.changeListeners.push(listener),
  };
}

/** How many nodes divide a rate while it is contended. */
function createMembers({ cluster, timers, log }: SharedParts): { part(): number } {
  let count = 1;
  let readAt = LONG_AGO;
  return {
    part() {
      if (msBetween(readAt, timers.monotonic()) >= MEMBERS_MS) {
        readAt = timers.monotonic();
        cluster
          .members()
          .then((names) => {
            count = Math.max(1, names.length);
          })
          .catch((err) =>
            log.warn({ event: 'limits.read_failed', err }, 'cannot read which nodes run; retrying'),
          );
      }
      return 1 / count;
    },
  };
}
