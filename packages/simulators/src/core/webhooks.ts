import type { Clock } from './clock.ts';
import type { Schedule } from './jobs/schedule.ts';

/** A webhook to a client's address. */
export interface Delivery {
  readonly upstream: string;
  readonly url: string;
  readonly body: string;
  /** The headers of an attempt at the time `at` (milliseconds UTC), because signatures include the time. */
  headers(at: number): Readonly<Record<string, string>>;
  /** Pauses before the second, third, … attempt, in the upstream's milliseconds. */
  readonly retryMs: readonly number[];
  /** Time limit for the receiver, in the client's milliseconds. */
  readonly timeoutMs: number;
}

/** The outcome of an attempt. */
export interface DeliveryRecord {
  readonly upstream: string;
  readonly url: string;
  readonly body: string;
  readonly attempt: number;
  /** Milliseconds UTC. */
  readonly at: number;
  /** The receiver's status, or the reason why there was none. */
  readonly outcome: number | string;
}

/** Sends webhooks, and repeats them until the receiver answers 2xx or the attempts are used up. */
export interface Webhooks {
  send(delivery: Delivery): void;
  /** Attempts so far, oldest first. */
  records(): readonly DeliveryRecord[];
  close(): Promise<void>;
}

export function createWebhooks(clock: Clock, schedule: Schedule): Webhooks {
  const records: DeliveryRecord[] = [];
  const underWay = new Set<Promise<void>>();
  const stop = new AbortController();

  async function attempt(delivery: Delivery, number: number): Promise<void> {
    const at = clock.now();
    const outcome = await post(delivery, at, stop.signal);
    if (stop.signal.aborted) return;
    const { upstream, url, body } = delivery;
    records.push({ upstream, url, body, attempt: number, at, outcome });
    const delivered = typeof outcome === 'number' && outcome >= 200 && outcome < 300;
    const pause = delivery.retryMs[number - 1];
    if (delivered || pause === undefined) return;
    schedule.plan(clock.now() + clock.scaled(pause), () => start(delivery, number + 1));
  }

  function start(delivery: Delivery, number: number): void {
    const attempting = attempt(delivery, number).finally(() => underWay.delete(attempting));
    underWay.add(attempting);
  }

  return {
    send: (delivery) => start(delivery, 1),
    records: () => records,
    async close() {
      stop.abort();
      await Promise.all(underWay);
    },
  };
}

async function post(delivery: Delivery, at: number, stop: AbortSignal): Promise<number | string> {
  try {
    const response = await fetch(delivery.url, {
      method: 'POST',
      body: delivery.body,
      headers: { 'content-type': 'application/json', ...delivery.headers(at) },
      redirect: 'manual',
      signal: AbortSignal.any([stop, AbortSignal.timeout(delivery.timeoutMs)]),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
