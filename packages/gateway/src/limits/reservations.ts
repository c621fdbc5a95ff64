import type { Log } from '../observability/log.ts';
import type { OpenPermits, Permits, Rate } from '../providers/rates/permits.ts';
import type { PermitGrant, PermitRequest, SharedLimitStore } from '../store/store.ts';
import { LONG_AGO, later, type Moment, msBetween } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';

/** Permits that the database grants, so that all nodes together keep each rate. */
export interface Reservations {
  of(account: string): OpenPermits;
  /** The lease is lost or new: what was granted does not count any more. */
  reset(): void;
  stop(): Promise<void>;
}

export interface ReservationParts {
  readonly store: Pick<SharedLimitStore, 'reserve'>;
  readonly timers: Timers;
  readonly after: Timers['after'];
  readonly log: Pick<Log, 'warn'>;
  readonly random: () => number;
  readonly hasLease: () => boolean;
  /** This node's part of a rate that several nodes use. */
  readonly part: () => number;
  /** Called with every answer, before the permits in it can be taken. */
  readonly onAnswer: (grants: readonly PermitGrant[], sentAt: Moment) => void;
}

/**
 * How long a permit can be taken after it was due: twice the width of a timer's slot. A permit that comes later would make the calls of
 * one second more than the rate allows. Milliseconds.
 */
const LATE_MS = 100;
/**
 * Nodes that wait for the same permit ask at random times within this, so that none of them always wins. The database grants it a little
 * earlier than it is due, so nothing of the rate is lost. Milliseconds.
 */
const SPREAD_MS = 20;
/** Delay after a failure, or without a lease. Milliseconds. */
const RETRY_MS = 500;
/** The least delay after an answer without a permit. Milliseconds. */
const LEAST_MS = 10;
/**
 * The least delay between two requests for permits of one kind. A node that makes hundreds of single calls a second asks for several permits
 * together; a call waits for this at most. Milliseconds.
 */
const APART_MS = 10;
/** Most permits of one kind in a request. */
const MOST = 1000;

interface Bucket {
  readonly account: string;
  readonly kind: string;
  readonly rate: Rate;
  readonly wanted: () => number;
  readonly listeners: Set<() => void>;
  /** When each permit that was granted and not taken is due, in order. */
  due: Moment[];
  /** When asking again may bring more. */
  againAt: Moment;
  /** The most permits that were asked for in vain since the last request. */
  lacking: number;
  /** How many the last request asked for. */
  requested: number;
  /** The last answer brought less than was asked for, or there was none. */
  isShort: boolean;
}

/**
 * One request at a time for all accounts and kinds, and none without demand. While demand goes on, more permits are asked for before the
 * last ones are due.
 */
export function createReservations(parts: ReservationParts): Reservations {
  const { store, timers, after, log, random, hasLease, part, onAnswer } = parts;
  const buckets = new Map<string, Bucket>();
  /** Counts leases: answers to requests of an earlier one are ignored. */
  let session = 0;
  let underWay: Promise<void> | undefined;
  let scheduled = false;
  let cancelWake: (() => void) | undefined;
  let stopped = false;
  const now = (): Moment => timers.monotonic();

  function forgetLate(bucket: Bucket): void {
    const from = later(now(), -LATE_MS);
    while (bucket.due[0] !== undefined && bucket.due[0] < from) bucket.due.shift();
  }

  /** How many more permits could be used. */
  function lackOf(bucket: Bucket): number {
    forgetLate(bucket);
    const wanted = Math.min(MOST, Math.floor(Math.max(bucket.wanted(), bucket.lacking)));
    return Math.max(0, wanted - bucket.due.length);
  }

  function schedule(): void {
    if (scheduled || underWay || stopped) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      tick();
    });
  }

  /** Asks for what is lacking, or sets the timer for the time when it may be asked for. */
  function tick(): void {
    if (underWay || stopped || !hasLease()) return;
    cancelWake?.();
    cancelWake = undefined;
    const requests: PermitRequest[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    for (const bucket of buckets.values()) {
      const ms = msBetween(now(), bucket.againAt);
      // To tell the demand may cost more than the rest.
      const wanted = ms > 0 ? 0 : lackOf(bucket);
      if (ms > 0) soonest = Math.min(soonest, ms);
      if (wanted > 0) requests.push(requestOf(bucket, wanted));
    }
    if (requests.length > 0) {
      const request = ask(requests).finally(() => {
        if (underWay !== request) return;
        underWay = undefined;
        tick();
      });
      underWay = request;
    } else if (soonest < Number.POSITIVE_INFINITY) cancelWake = after(soonest, tick);
  }

  function requestOf(bucket: Bucket, wanted: number): PermitRequest {
    const { account, kind, rate } = bucket;
    bucket.lacking = 0;
    bucket.requested = wanted;
    return { account, kind, wanted, intervalMs: 1000 / rate.perSecond, burst: rate.burst, part: part() };
  }

  async function ask(requests: readonly PermitRequest[]): Promise<void> {
    const mine = session;
    const sentAt = now();
    const asked = requests.flatMap(({ account, kind }) => buckets.get(nameOf(account, kind)) ?? []);
    try {
      const grants = await store.reserve(requests);
      if (session !== mine) return;
      onAnswer(grants, sentAt);
      for (const grant of grants) {
        const bucket = buckets.get(nameOf(grant.account, grant.kind));
        if (bucket) enter(bucket, grant, now(), random);
      }
    } catch (err) {
      if (session !== mine) return;
      log.warn(
        { event: 'limits.reserve_failed', err },
        'cannot ask the database for permits to call upstreams; retrying',
      );
      for (const bucket of asked) Object.assign(bucket, { againAt: later(now(), RETRY_MS), isShort: true });
    }
    for (const bucket of asked) tell(bucket);
  }

  function tell(bucket: Bucket): void {
    for (const listener of [...bucket.listeners]) listener();
  }

  const permitsOf = (bucket: Bucket): Permits => ({
    readyIn(n = 1) {
      if (stopped || !hasLease()) return RETRY_MS;
      forgetLate(bucket);
      schedule();
      const due = bucket.due[n - 1];
      if (due !== undefined) return Math.max(0, msBetween(now(), due));
      bucket.lacking = Math.max(bucket.lacking, n);
      const again = msBetween(now(), bucket.againAt);
      // If the last answer brought all that was wanted, the next one may do so at once.
      return bucket.isShort && again > 0 ? again : Number.POSITIVE_INFINITY;
    },
    take(n = 1) {
      bucket.due.splice(0, n);
      schedule();
    },
    onReady(listener) {
      bucket.listeners.add(listener);
      return () => bucket.listeners.delete(listener);
    },
  });

  return {
    of: (account) => (kind, rate, wanted) => {
      const bucket = newBucket(account, kind, rate, wanted);
      buckets.set(nameOf(account, kind), bucket);
      return permitsOf(bucket);
    },
    reset() {
      session += 1;
      cancelWake?.();
      for (const bucket of buckets.values()) {
        Object.assign(bucket, { due: [], againAt: LONG_AGO });
        tell(bucket);
      }
      // A request of the earlier lease may not be answered for long.
      underWay = undefined;
      schedule();
    },
    async stop() {
      stopped = true;
      cancelWake?.();
      await underWay;
    },
  };
}

/** Takes over what was granted. `at`: when the answer arrived. The delays in it are counted from then, so that no call is too early. */
function enter(bucket: Bucket, grant: PermitGrant, at: Moment, random: () => number): void {
  const { granted, firstMs, intervalMs, againMs } = grant;
  for (let n = 0; n < granted; n++) bucket.due.push(later(at, Math.max(0, firstMs + n * intervalMs)));
  const lastMs = granted === 0 ? LEAST_MS : firstMs + (granted - 1) * intervalMs;
  bucket.isShort = granted < bucket.requested;
  bucket.againAt = bucket.isShort
    ? // Not before some of the permits are due, so that a request brings several.
      later(at, Math.max(againMs, lastMs * (0.25 + random() / 4)) + random() * SPREAD_MS)
    : later(at, APART_MS);
}

const newBucket = (account: string, kind: string, rate: Rate, wanted: () => number): Bucket => ({
  account,
  kind,
  rate,
  wanted,
  listeners: new Set(),
  due: [],
  againAt: LONG_AGO,
  lacking: 0,
  requested: 0,
  isShort: false,
});

const nameOf = (account: string, kind: string): string => `${account} ${kind}`;
