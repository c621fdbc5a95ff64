import type { Log } from '../observability/log.ts';
import type { ClaimedDelivery, DeliveryOutcome, WebhookStore } from '../store/webhooks.ts';
import type { Timers } from '../time/timers.ts';
import { type Attempt, type AttemptParts, asBefore, createAttempt } from './attempt.ts';
import { createLanes, type Lanes, mayLeaveSome } from './lanes.ts';

/** Sends the deliveries of the store that are due. Every node has one. */
export interface WebhookSender {
  start(): void;
  /** Sends a delivery that this node has leased, now and whatever else is being sent. Resolves with how that ended. */
  sendNow(claimed: ClaimedDelivery): Promise<DeliveryOutcome>;
  /** Takes no more. What is being sent may end within a moment; the rest is left to other nodes, or the next start. */
  stop(): Promise<void>;
  readonly counts: { readonly delivered: number; readonly failed: number; readonly dead: number };
  readonly inFlight: number;
}

type Claimed = ClaimedDelivery['delivery'];

export interface SenderParts
  extends Omit<AttemptParts, 'timers' | 'log' | 'timeoutMs' | 'random' | 'projectSecret'> {
  readonly store: Pick<
    WebhookStore,
    'claimDeliveries' | 'finishDelivery' | 'changeEndpoint' | 'webhookSecret' | 'onDelivery'
  >;
  readonly timers: Timers;
  readonly log: Log;
  /** Whether this node may act: otherwise others send what is due. */
  readonly hasLease: () => boolean;
  readonly timeoutMs?: number;
  readonly random?: () => number;
  readonly lanes?: Lanes;
}

/** The specification's: a receiver stores the message and works on it later. Milliseconds. */
const TIMEOUT_MS = 15_000;
/** The lease of a delivery: longer than a try with everything around it. Then its node is dead, and another one sends it. Milliseconds. */
export const LEASE_MS = 30_000;
/** How often a node looks for what others have left, milliseconds. */
const FALLBACK_MS = 5000;
/** How long a stop waits for tries that are under way. Milliseconds. */
const PATIENCE_MS = 3000;

export function createWebhookSender(parts: SenderParts): WebhookSender {
  const { store, timers, log, clock, timeoutMs = TIMEOUT_MS, random = Math.random } = parts;
  const lanes = parts.lanes ?? createLanes();
  const attempt = createAttempt({
    ...parts,
    timeoutMs,
    random,
    projectSecret: (projectId, make) => store.webhookSecret(projectId, '', make),
  });
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();
  const counts = { delivered: 0, failed: 0, dead: 0 };
  let stopped = false;
  let looking: Promise<void> | undefined;
  let lookAgain = false;
  let leftSome = false;
  let cancelFallback: () => void = () => undefined;
  let unsubscribe: () => void = () => undefined;

  /**
   * Takes what is due and begins to send it, until nothing more is due or there is no room. At once: what becomes due meanwhile is taken
   * together.
   */
  async function look(): Promise<void> {
    lookAgain = true;
    looking ??= claimAll().finally(() => {
      looking = undefined;
    });
    await looking;
  }

  async function claimAll(): Promise<void> {
    try {
      while (lookAgain && !stopped) {
        lookAgain = false;
        const room = parts.hasLease() ? lanes.room() : undefined;
        leftSome = true;
        if (!room) break;
        const claimed = await store.claimDeliveries({ ...room, now: clock.now(), leaseMs: LEASE_MS });
        for (const one of claimed) begin(one);
        leftSome = mayLeaveSome(room, claimed);
        if (leftSome && claimed.length > 0) lookAgain = true;
      }
    } catch (err) {
      log.warn({ event: 'webhook.store_failed', err }, 'cannot read which webhooks are due; retrying');
    }
  }

  const lookIn = (ms: number): void => void timers.after(ms, () => void look());

  function begin(claimed: ClaimedDelivery): void {
    deliver(claimed).then(
      () => void (leftSome && look()),
      (err) => log.warn({ event: 'webhook.store_failed', err, ...named(claimed.delivery) }, NOT_STORED),
    );
  }

  function deliver(claimed: ClaimedDelivery): Promise<DeliveryOutcome> {
    const run = send(claimed);
    running.add(run);
    const ended = () => void running.delete(run);
    run.then(ended, ended);
    return run;
  }

  /** A try, and what follows from it. */
  async function send(claimed: ClaimedDelivery): Promise<DeliveryOutcome> {
    const leave = lanes.enter(claimed.delivery);
    let outcome: DeliveryOutcome | undefined;
    try {
      outcome = await tryOnce(attempt, claimed, stopping.signal);
    } finally {
      leave(outcome?.state === 'delivered');
    }
    const { delivery } = claimed;
    if (outcome.error === 'gone' && delivery.endpointId !== undefined) {
      const { projectId, endpointId, url } = delivery;
      // Its receiver may have moved while this one answered.
      if (await store.changeEndpoint(projectId, endpointId, { disabledReason: 'gone' }, { url }))
        log.warn({ event: 'webhook.endpoint_disabled', ...named(delivery) }, 'the endpoint answered 410');
    }
    await store.finishDelivery(delivery, outcome);
    record(delivery, outcome);
    if (outcome.state === 'pending') lookIn(Math.min(outcome.nextAt - clock.now(), LONGEST_TIMER_MS));
    return outcome;
  }

  function record(delivery: Claimed, outcome: DeliveryOutcome): void {
    const { state, tries, status, error, latencyMs } = outcome;
    if (tries === delivery.tries && state === 'pending') return;
    const line = { ...named(delivery), tries, status, reason: error, ms: latencyMs };
    if (state === 'delivered') {
      counts.delivered += 1;
      log.debug({ event: 'webhook.delivered', ...line }, 'webhook delivered');
      return;
    }
    counts.failed += 1;
    if (state === 'pending') {
      log.info({ event: 'webhook.failed', ...line }, 'webhook not delivered; it is tried again');
      return;
    }
    counts.dead += 1;
    log.warn({ event: 'webhook.dead', ...line }, 'webhook not delivered; it is not tried again');
  }

  function fallback(): void {
    cancelFallback = timers.after(FALLBACK_MS, () => {
      void look();
      fallback();
    });
  }

  return {
    start() {
      unsubscribe = store.onDelivery(() => void look());
      fallback();
      void look();
    },
    sendNow: deliver,
    async stop() {
      stopped = true;
      unsubscribe();
      cancelFallback();
      const giveUp = setTimeout(() => stopping.abort(), PATIENCE_MS);
      // What is being claimed is sent, too: until its lease ends, no other node would.
      await looking;
      await Promise.allSettled(running);
      clearTimeout(giveUp);
    },
    counts,
    get inFlight() {
      return lanes.inFlight;
    },
  };
}

/** Later ones are found by the fallback. Milliseconds. */
const LONGEST_TIMER_MS = 60_000;
const NOT_STORED = 'how a webhook ended cannot be stored; it is sent again once its lease has ended';

/** A delivery whose try was cut short is due again; that counts as no try. */
async function tryOnce(
  attempt: Attempt,
  claimed: ClaimedDelivery,
  signal: AbortSignal,
): Promise<DeliveryOutcome> {
  try {
    return await attempt(claimed, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    return asBefore(claimed.delivery);
  }
}

/** What the log may have of a delivery: the path and query of a URL often hold secrets. */
const named = ({ id, endpointId, url }: Claimed) => ({
  delivery: id,
  endpoint: endpointId,
  host: URL.parse(url)?.host,
});
