import type { Log } from '../observability/log.ts';
import type { OpenPermits, Permits, Rate } from '../providers/rates/permits.ts';
import type { PermitGrant, PermitRequest, SharedLimitStore } from '../store/store.ts';
import { LONG_AGO, later, type Moment, msBetween } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';

/** Permits that the database grants, so that all nodes together keep each rate. */
export interface Reservations {
  permitsOf(account: string): OpenPermits;
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
/** The least time in which each node should have its turn, however fast the rate is. Milliseconds. */
const TURN_MS = 250;
/** Most permits of one kind in a request. */
const MOST = 1000;

/** A rate of an account, and the permits of it that this node has. */
interface RateState {
  readonly account: string;
  readonly kind: string;
  readonly rate: Rate;
  readonly wanted: () => number;
  readonly listeners: Set<() => void>;
  /** When each permit that was granted and not taken is due, in order. */
  due: Moment[];
  /** When asking again may bring more. */
  againAt: Moment;
  /** The most permits that were needed at once and not there, since the last request. */
  unmet: number;
  /** How many the last request asked for. */
  requested: number;
  /** The last answer brought less than was asked for, or there was none. */
  isShort: boolean;
  /** Since when calls have waited without a grant; undefined if none waits. */
  waitsSince: Moment | undefined;
}

/**
 * One request at a time for all accounts and kinds, and none without demand. While demand goes on, more permits are asked for before the
 * last ones are due.
 *
 * Which of the waiting nodes gets a permit is left to chance for one turn: as long as it takes until each node could have had one. Then
 * a node that had none reserves the next one ahead, so it waits for two turns and two permits at most.
 */
export function createReservations(parts: ReservationParts): Reservations {
  const { store, timers, after, log, random, hasLease, part, onAnswer } = parts;
  const states = new Map<string, RateState>();
  /** Counts leases: answers to requests of an earlier one are ignored. */
  let leaseNumber = 0;
  let underWay: Promise<void> | undefined;
  let scheduled = false;
  let cancelWake: (() => void) | undefined;
  let stopped = false;
  const now = (): Moment => timers.monotonic();

  function forgetLate(state: RateState): void {
    const from = later(now(), -LATE_MS);
    while (state.due[0] !== undefined && state.due[0] < from) state.due.shift();
  }

  /** How many more permits could be used. */
  function neededBy(state: RateState): number {
    forgetLate(state);
    const wanted = Math.min(MOST, Math.floor(Math.max(state.wanted(), state.unmet)));
    return Math.max(0, wanted - state.due.length);
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      tick();
    });
  }

  /** Asks for the permits that are needed, or sets the timer for the time when it may be asked for. */
  function tick(): void {
    if (underWay || stopped || !hasLease()) return;
    cancelWake?.();
    cancelWake = undefined;
    const requests: PermitRequest[] = [];
    let soonest = Number.POSITIVE_INFINITY;
    for (const state of states.values()) {
      const ms = msBetween(now(), state.againAt);
      // To tell the demand may cost more than the rest.
      const wanted = ms > 0 ? 0 : neededBy(state);
      if (ms > 0) soonest = Math.min(soonest, ms);
      else if (wanted > 0) requests.push(requestOf(state, wanted, part(), now()));
      else state.waitsSince = undefined;
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

  async function ask(requests: readonly PermitRequest[]): Promise<void> {
    const mine = leaseNumber;
    const sentAt = now();
    const asked = requests.flatMap(({ account, kind }) => states.get(nameOf(account, kind)) ?? []);
    try {
      const grants = await store.reserve(requests);
      if (leaseNumber !== mine) return;
      onAnswer(grants, sentAt);
      for (const grant of grants) {
        const state = states.get(nameOf(grant.account, grant.kind));
        if (state) addGrant(state, grant, now(), random);
      }
    } catch (err) {
      if (leaseNumber !== mine) return;
      log.warn(
        { event: 'limits.reserve_failed', err },
        'cannot ask the database for permits to call upstreams; retrying',
      );
      for (const state of asked) Object.assign(state, { againAt: later(now(), RETRY_MS), isShort: true });
    }
    for (const state of asked) announce(state);
  }

  function announce(state: RateState): void {
    for (const listener of [...state.listeners]) listener();
  }

  const permitsOf = (state: RateState): Permits => ({
    readyIn(n = 1) {
      if (stopped || !hasLease()) return RETRY_MS;
      forgetLate(state);
      schedule();
      const due = state.due[n - 1];
      if (due !== undefined) return Math.max(0, msBetween(now(), due));
      state.unmet = Math.max(state.unmet, n);
      const again = msBetween(now(), state.againAt);
      // If the last answer brought all that was wanted, the next one may do so at once.
      return state.isShort && again > 0 ? again : Number.POSITIVE_INFINITY;
    },
    take(n = 1) {
      state.due.splice(0, n);
      schedule();
    },
    onReady(listener) {
      state.listeners.add(listener);
      return () => state.listeners.delete(listener);
    },
  });

  return {
    permitsOf: (account) => (kind, rate, wanted) => {
      const state = newRateState(account, kind, rate, wanted);
      states.set(nameOf(account, kind), state);
      return permitsOf(state);
    },
    reset() {
      leaseNumber += 1;
      cancelWake?.();
      for (const state of states.values()) {
        Object.assign(state, { due: [], againAt: LONG_AGO, waitsSince: undefined });
        announce(state);
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

function requestOf(state: RateState, wanted: number, part: number, now: Moment): PermitRequest {
  const { account, kind, rate } = state;
  state.unmet = 0;
  state.requested = wanted;
  const intervalMs = 1000 / rate.perSecond;
  const overdueFrom = later(state.waitsSince ?? now, Math.max(TURN_MS, intervalMs / part));
  return { account, kind, wanted, intervalMs, burst: rate.burst, part, overdue: overdueFrom <= now };
}

/** Takes over what was granted. `at`: when the answer arrived. The delays in it are counted from then, so that no call is too early. */
function addGrant(state: RateState, grant: PermitGrant, at: Moment, random: () => number): void {
  const { granted, firstMs, intervalMs, againMs } = grant;
  for (let n = 0; n < granted; n++) state.due.push(later(at, Math.max(0, firstMs + n * intervalMs)));
  const lastMs = granted === 0 ? LEAST_MS : firstMs + (granted - 1) * intervalMs;
  state.isShort = granted < state.requested;
  if (granted > 0 || !state.isShort) state.waitsSince = undefined;
  if (state.isShort) state.waitsSince ??= at;
  state.againAt = state.isShort
    ? // Not before some of the permits are due, so that a request brings several.
      later(at, Math.max(againMs, lastMs * (0.25 + random() / 4)) + random() * SPREAD_MS)
    : later(at, APART_MS);
}

const newRateState = (account: string, kind: string, rate: Rate, wanted: () => number): RateState => ({
  account,
  kind,
  rate,
  wanted,
  listeners: new Set(),
  due: [],
  againAt: LONG_AGO,
  unmet: 0,
  requested: 0,
  isShort: false,
  waitsSince: undefined,
});

const nameOf = (account: string, kind: string): string => `${account} ${kind}`;
