import type { ClaimedDelivery, DeliveryOutcome, WebhookStore } from '../store/webhooks.ts';
import { type Attempt, type AttemptParts, asBefore, createAttempt } from './attempt.ts';
import { type ClaimParts, createClaims } from './claims.ts';
import { createLanes, type Lanes } from './lanes.ts';

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
  extends ClaimParts,
    Omit<AttemptParts, 'timers' | 'log' | 'timeoutMs' | 'random' | 'projectSecret'> {
  readonly store: ClaimParts['store'] &
    Pick<WebhookStore, 'finishDelivery' | 'changeEndpoint' | 'webhookSecret'>;
  readonly timeoutMs?: number;
  readonly random?: () => number;
  readonly lanes?: Lanes;
}

/** The specification's: a receiver stores the message and works on it later. Milliseconds. */
const TIMEOUT_MS = 15_000;
/** How long a stop waits for tries that are under way. Milliseconds. */
const PATIENCE_MS = 3000;

export function createWebhookSender(parts: SenderParts): WebhookSender {
  const { store, log, clock, timeoutMs = TIMEOUT_MS, random = Math.random } = parts;
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
  const claims = createClaims({ ...parts, lanes }, (claimed) => {
    deliver(claimed).catch((err) =>
      log.warn({ event: 'webhook.store_failed', err, ...named(claimed.delivery) }, NOT_STORED),
    );
  });

  /** The only way to take a place, so that whatever frees one also looks for what waits for it. */
  function deliver(claimed: ClaimedDelivery): Promise<DeliveryOutcome> {
    const run = send(claimed);
    running.add(run);
    const ended = () => {
      running.delete(run);
      claims.placeFreed();
    };
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
    if (outcome.state === 'pending') claims.lookIn(Math.min(outcome.nextAt - clock.now(), LONGEST_TIMER_MS));
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

  return {
    start: claims.start,
    sendNow: deliver,
    async stop() {
      const giveUp = setTimeout(() => stopping.abort(), PATIENCE_MS);
      // What is being claimed is sent, too: until its lease ends, no other node would.
      await claims.stop();
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
const named = ({ id, taskId, endpointId, url }: Claimed) => ({
  delivery: id,
  task: taskId,
  endpoint: endpointId,
  host: URL.parse(url)?.host,
});
