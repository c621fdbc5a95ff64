import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../observability/log.ts';
import type { ClaimedDelivery, WebhookStore } from '../store/webhooks.ts';
import type { Clock } from '../time/clock.ts';
import type { Timers } from '../time/timers.ts';
import { type Lanes, mayLeaveSome } from './lanes.ts';

/** Takes the deliveries that are due, as long as there are places to send them. */
export interface Claims {
  start(): void;
  /** A place has become free. */
  placeFreed(): void;
  /** Looks again in so many milliseconds. */
  lookIn(ms: number): void;
  /** Takes no more. Resolves once what was being taken has been begun. */
  stop(): Promise<void>;
}

export interface ClaimParts {
  readonly store: Pick<WebhookStore, 'claimDeliveries' | 'onDelivery'>;
  /** Without a lease, other nodes send what is due. */
  readonly cluster: Pick<Cluster, 'hasLease' | 'onLease'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** The lease of a delivery: longer than a try with everything around it. Then its node is dead, and another one sends it. Milliseconds. */
export const LEASE_MS = 30_000;
/** How often a node looks for what others have left, milliseconds. */
const FALLBACK_MS = 5000;
/** When a node looks again that could not. Milliseconds. */
const RETRY_MS = 1000;
/** When a node looks again that found only what another one was taking: that has ended by then. Milliseconds. */
const TAKEN_MS = 100;

/** `begin` takes a place for a delivery and sends it. */
export function createClaims(
  { store, cluster, clock, timers, log, lanes }: ClaimParts & { readonly lanes: Lanes },
  begin: (claimed: ClaimedDelivery) => void,
): Claims {
  let stopped = false;
  let looking = Promise.resolve();
  let isLooking = false;
  let lookAgain = false;
  let leftSome = false;
  let cancelFallback: () => void = () => undefined;
  let cancelRetry: () => void = () => undefined;
  const unsubscribe: (() => void)[] = [];

  /** At once, until nothing more is due or there is no place. What becomes due meanwhile is taken together. */
  function look(): void {
    lookAgain = true;
    if (!isLooking) looking = claimAll();
  }

  async function claimAll(): Promise<void> {
    isLooking = true;
    cancelRetry();
    try {
      while (lookAgain && !stopped) {
        lookAgain = false;
        leftSome = true;
        await claim();
      }
    } catch (err) {
      log.warn({ event: 'webhook.store_failed', err }, 'cannot read which webhooks are due; retrying');
      retryIn(RETRY_MS);
    } finally {
      // Not later: whoever looks from now on would wait for a look that has ended.
      isLooking = false;
    }
  }

  async function claim(): Promise<void> {
    if (!cluster.hasLease()) return retryIn(RETRY_MS);
    const room = lanes.room();
    if (!room) return;
    const { claimed, skippedSome } = await store.claimDeliveries({
      ...room,
      now: clock.now(),
      leaseMs: LEASE_MS,
    });
    for (const one of claimed) begin(one);
    leftSome = skippedSome || mayLeaveSome(room, claimed);
    if (leftSome && claimed.length > 0) lookAgain = true;
    // This node may have nothing under way whose end would make it look.
    else if (skippedSome) retryIn(TAKEN_MS);
  }

  function retryIn(ms: number): void {
    cancelRetry();
    cancelRetry = timers.after(ms, look);
  }

  function fallback(): void {
    cancelFallback = timers.after(FALLBACK_MS, () => {
      look();
      fallback();
    });
  }

  return {
    start() {
      unsubscribe.push(
        store.onDelivery(look),
        cluster.onLease((event) => event === 'joined' && look()),
      );
      fallback();
      look();
    },
    placeFreed() {
      if (leftSome) look();
    },
    lookIn: (ms) => void timers.after(ms, look),
    async stop() {
      stopped = true;
      for (const end of unsubscribe) end();
      cancelFallback();
      await looking;
      cancelRetry();
    },
  };
}
