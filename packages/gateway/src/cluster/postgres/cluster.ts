import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../observability/log.ts';
import { reasonOf } from '../../store/postgres/errors.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import type { Cluster, LeaseEvent, Message } from '../cluster.ts';
import { createListeners } from '../listeners.ts';
import { decodeMessage, encodeMessage } from '../messages.ts';
import { createDatabaseClock } from './databaseClock.ts';
import { type Lease, openLease } from './lease.ts';
import { LEASE_TIMINGS, type LeaseTimings } from './timings.ts';

export interface ClusterOptions {
  /** Connects to PostgreSQL directly, not through a pooler in transaction mode. */
  readonly url: string;
  readonly log: Log;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  /** The machine's wall clock, used until the server's time is known. */
  readonly machine?: Clock;
  /** 0 to 1. */
  readonly random?: () => number;
  readonly timings?: Partial<LeaseTimings>;
}

/** This node's membership in a cluster. */
export interface JoinedCluster extends Cluster {
  /** The database server's time, which is the same for all nodes. */
  readonly clock: Clock;
}

/**
 * Joins the nodes that share a database. Throws if the database cannot be reached or does not support a cluster. Once joined, it
 * replaces a lost lease by a new one and retries until that succeeds.
 */
export async function joinCluster(options: ClusterOptions): Promise<JoinedCluster> {
  const { url, log, now = () => performance.now(), random = Math.random } = options;
  const timings = { ...LEASE_TIMINGS, ...options.timings };
  const messageListeners = createListeners<[message: Message, from: string]>(log);
  const leaseListeners = createListeners<[LeaseEvent]>(log);
  const closing = new AbortController();
  const { signal } = closing;
  const clock = createDatabaseClock(now, options.machine ?? systemClock);

  const open = () => openLease({ url, log, now, timings, onPayload, onServerTime: clock.received });
  let lease = await open().catch((error: unknown) => {
    throw unreachable(error);
  });
  follow(lease);
  log.info({ event: 'lease.acquired', node: lease.node }, 'joined the cluster');
  let joining: Promise<void> | undefined;

  function onPayload(payload: string): void {
    if (signal.aborted) return;
    const received = decodeMessage(payload);
    if (!received)
      log.debug(
        { event: 'cluster.message_unknown', payload: payload.slice(0, 200) },
        'ignored a message that this version does not know',
      );
    else if (received.from !== lease.node) messageListeners.emit(received.message, received.from);
  }

  function follow(current: Lease): void {
    void current.ended.then((why) => {
      if (signal.aborted) return;
      log.warn(
        { event: 'lease.lost', node: current.node, why },
        'lost the lease; this node drives nothing until it has joined again',
      );
      leaseListeners.emit('lost');
      joining = joinAgain();
    });
  }

  async function joinAgain(): Promise<void> {
    const [first, longest] = timings.retryMs;
    for (let tries = 0; !signal.aborted; tries++) {
      // Jitter of ±50%, so that nodes that lost the same server do not all reconnect at once.
      const wait = Math.min(longest, first * 2 ** tries) * (0.5 + random());
      await sleep(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const next = await open();
        if (signal.aborted) return await next.close();
        lease = next;
        log.info({ event: 'lease.acquired', node: lease.node }, 'joined the cluster again');
        leaseListeners.emit('joined');
        follow(lease);
        return;
      } catch (error) {
        log.warn(
          { event: 'lease.acquire_failed', err: error, tries: tries + 1 },
          'cannot join the cluster; retrying',
        );
      }
    }
  }

  return {
    shared: true,
    clock,
    get node() {
      return lease.node;
    },
    hasLease: () => !signal.aborted && lease.isValid(),
    async members() {
      try {
        return await lease.members();
      } catch (error) {
        throw unreachable(error);
      }
    },
    broadcast(message) {
      if (signal.aborted || !lease.isValid()) return;
      try {
        lease.notify(encodeMessage(lease.node, message));
      } catch (error) {
        log.debug(
          { event: 'cluster.message_dropped', err: error, kind: message.kind },
          'cannot encode a message to other nodes',
        );
      }
    },
    onMessage: messageListeners.add,
    onLease: leaseListeners.add,
    async close() {
      if (signal.aborted) return;
      closing.abort();
      await Promise.all([lease.close(), joining]);
    },
  };
}

function unreachable(cause: unknown): OnetakeError {
  if (cause instanceof OnetakeError) return cause;
  const message = `Cannot open a session with PostgreSQL by ONETAKE_DATABASE_URL, or ONETAKE_DATABASE_SESSION_URL: ${reasonOf(cause)}.`;
  return new OnetakeError('store_unavailable', 503, message, { retryAfterSeconds: 1 }, cause);
}
